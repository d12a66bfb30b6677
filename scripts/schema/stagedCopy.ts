import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MIGRATIONS_PATH, SCHEMA_PATH } from './checkGit';
import type { Git } from './git';

/**
 * Lays out schema and migrations as they are staged, which is what a commit will hold, whatever lies in the
 * folder; removed after.
 */
export async function withStagedCopy<T>(
  root: string,
  git: Git,
  work: (copy: string) => Promise<T>,
): Promise<T> {
  const copy = mkdtempSync(join(tmpdir(), 'gatehouse-staged-'));
  try {
    // Imports of the schema are looked up from where it lies.
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'), 'dir');
    const files = git.ask([
      'ls-files',
      '-z',
      '--',
      MIGRATIONS_PATH,
      SCHEMA_PATH,
      'package.json',
      'tsconfig.json',
    ]);
    if (git.ask(['checkout-index', `--prefix=${copy}/`, '-z', '--stdin'], files) === undefined) {
      throw new Error('what is staged cannot be read');
    }
    return await work(copy);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}
