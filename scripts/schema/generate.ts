import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readFolder } from './folder';

export class GenerateError extends Error {}

const LOCK_TIMEOUT = "SET LOCAL lock_timeout = '5s';--> statement-breakpoint\n";
const TOUCHES_EXISTING = /^\s*(ALTER|DROP|CREATE (UNIQUE )?INDEX|UPDATE|DELETE|INSERT)\b/im;

/**
 * Runs drizzle-kit, which writes the next migration, and checks that it did, because drizzle-kit
 * also exits with 0 if it wrote nothing.
 * @returns the new migration's tag
 * @throws GenerateError with a plain sentence
 */
export function generate(
  root: string,
  name: string | undefined,
  options: { custom: boolean; inCi: boolean },
): string {
  if (options.inCi) {
    throw new GenerateError(
      'Migrations are never generated in CI: a developer generates, reviews and commits them.',
    );
  }
  if (name === undefined || !/^[a-z0-9]+(_[a-z0-9]+)*$/.test(name)) {
    throw new GenerateError(
      '--name is missing or invalid: describe the change in lower case, with underscores between the words.',
    );
  }
  const before = new Set(readFolder(root).entries.map(({ tag }) => tag));
  const bin = join(dirname(require.resolve('drizzle-kit')), 'bin.cjs');
  const args = [bin, 'generate', '--name', name, ...(options.custom ? ['--custom'] : [])];
  spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  const made = readFolder(root).entries.filter(({ tag }) => !before.has(tag));
  const [entry, another] = made;
  if (!entry || another) {
    throw new GenerateError(
      entry
        ? 'drizzle-kit wrote more than one migration.'
        : 'No migration was written: either the schema has no change, or drizzle-kit stopped for the reason that it printed above. It asks about renames only in a terminal.',
    );
  }
  const file = join(root, 'migrations', `${entry.tag}.sql`);
  const sql = readFileSync(file, 'utf8');
  // Creating a table takes no lock that others wait for.
  if (options.custom || TOUCHES_EXISTING.test(sql)) writeFileSync(file, `${LOCK_TIMEOUT}${sql}`);
  return entry.tag;
}
