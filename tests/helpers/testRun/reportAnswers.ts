import { existsSync, readFileSync } from 'node:fs';

/**
 * Compares the answers that endpoints list with those that were sent.
 * @param file the lines of all processes (watchAnswers.ts)
 * @returns the answers that no test got, in the order of their routes
 */
export function findUnsentAnswers(file: string): string[] {
  if (!existsSync(file)) return [];
  const lines = new Set(readFileSync(file, 'utf8').split('\n'));
  const of = (kind: string) =>
    [...lines].flatMap((line) =>
      line.startsWith(`${kind} `) ? [line.slice(kind.length + 1)] : [],
    );
  const sent = new Set(of('sent'));
  return of('listed')
    .filter((answer) => !sent.has(answer))
    .sort();
}
