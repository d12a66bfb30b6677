import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Returns the answer that `work` gave earlier to the same inputs, if `GATEHOUSE_SCHEMA_CACHE` names
 * a folder for answers; otherwise it runs `work`. The test suite names a new folder for each run,
 * because it asks the same questions a hundred times.
 * @param inputs everything that the answer depends on, except the versions of the installed
 *   programs
 * @param work its answer must survive JSON
 * @param isKept decides which answers are kept; by default all are
 */
export async function remember<T>(
  inputs: readonly (string | Buffer)[],
  work: () => T | Promise<T>,
  isKept: (answer: T) => boolean = () => true,
): Promise<T> {
  const folder = process.env['GATEHOUSE_SCHEMA_CACHE'] ?? '';
  if (folder === '') return work();
  const hash = createHash('sha256');
  for (const input of inputs) hash.update(`${input.length}\n`).update(input);
  const file = join(folder, `${hash.digest('hex')}.json`);
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T;
  } catch {
    const answer = await work();
    if (!isKept(answer)) return answer;
    mkdirSync(folder, { recursive: true });
    // The file is renamed into place, because another process may read it at any moment.
    const aside = `${file}.${randomBytes(6).toString('hex')}`;
    writeFileSync(aside, JSON.stringify(answer));
    renameSync(aside, file);
    return answer;
  }
}

/**
 * Returns the names and contents of all files below a folder, in a fixed order, as an input for
 * `remember`.
 */
export function contentsOf(folder: string): (string | Buffer)[] {
  return readdirSync(folder, { recursive: true })
    .map(String)
    .sort()
    .flatMap((name) => {
      const path = join(folder, name);
      return statSync(path).isFile() ? [name, readFileSync(path)] : [];
    });
}
