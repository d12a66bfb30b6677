import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MIGRATIONS_PATH, SCHEMA_PATH } from './checkGit';
import type { Git } from './git';

/**
 * Copies the staged schema and migrations into a folder, which is removed afterwards. They are the
 * content of the next commit, whatever the worktree contains.
 */
export async function withStagedCopy<T>(
  root: string,
  git: Git,
  work: (copy: string) => Promise<T>,
): Promise<T> {
  const copy = mkdtempSync(join(tmpdir(), 'gatehouse-staged-'));
  try {
    // Node resolves the imports of the schema from the folder that it is in.
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
      throw new Error('The staged files cannot be read.');
    }
    return await work(copy);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}
