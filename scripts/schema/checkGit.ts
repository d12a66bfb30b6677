import { existsSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Finding } from './finding';
import { findBase, hashFiles, listCommit, listIndex } from './git';
import type { Git } from './git';

export const SCHEMA_PATH = 'server/db/schema';
export const MIGRATIONS_PATH = 'migrations';

/**
 * The state in which git must have the files.
 * - `committed`: all files are in HEAD.
 * - `worktree`: migrations are at least staged, in their present state.
 * - `staged`: the same, and the index is checked, because it becomes the next commit.
 */
export type GitMode = 'committed' | 'worktree' | 'staged';

function listFiles(root: string, folder: string): string[] {
  const path = join(root, folder);
  if (!existsSync(path)) return [];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .sort();
}

/**
 * Finds migrations that exist on one machine and not in git, which once caused an incident. Ignored
 * files count too.
 */
export function checkTracked(root: string, git: Git, mode: GitMode): Finding[] {
  const paths = mode === 'committed' ? [MIGRATIONS_PATH, SCHEMA_PATH] : [MIGRATIONS_PATH];
  const kept = mode === 'committed' ? listCommit(git, 'HEAD', paths) : listIndex(git, paths);
  const files = paths.flatMap((path) => listFiles(root, path));
  const hashes = hashFiles(git, files);
  const [where, then] =
    mode === 'committed'
      ? ['committed', 'git add -f FILE && git commit']
      : ['staged', 'git add -f FILE'];
  const fix = (file: string) => then.replace('FILE', file);
  const found = files.flatMap((file): Finding[] => {
    const hash = kept.get(file);
    if (hash === undefined) {
      const message = `${file} is not ${where}: it exists only in this folder.`;
      return [{ code: 'UNTRACKED', object: file, message, fix: fix(file) }];
    }
    if (hash === hashes.get(file)) return [];
    const message = `${file} differs from the ${where} version: its content exists only in this folder.`;
    return [{ code: 'UNCOMMITTED', object: file, message, fix: fix(file) }];
  });
  const gone = [...kept.keys()]
    .filter((file) => !hashes.has(file))
    .map((file): Finding => {
      const message = `${file} is ${where}, but missing from this folder.`;
      return {
        code: 'UNCOMMITTED',
        object: file,
        message,
        fix: `git checkout -- ${file}, or git rm ${file}`,
      };
    });
  return [...found, ...gone];
}

const LANDED = /^migrations\/(\d{4}_[^/]+\.sql|meta\/\d{4}_snapshot\.json)$/;

/**
 * Finds landed migrations that were edited or removed, pinned or not. Databases already contain
 * them, so they must never change.
 */
export function checkLanded(
  git: Git,
  base: string | undefined,
  current: ReadonlyMap<string, string>,
): Finding[] {
  const commit = findBase(git, base);
  if (commit === undefined) {
    const message = `The base ${base ?? 'main'} is not in this clone, so the landed migrations cannot be compared.`;
    return [
      {
        code: 'COULD_NOT_LOOK',
        object: base ?? 'main',
        message,
        fix: 'git fetch --unshallow origin',
      },
    ];
  }
  return [...listCommit(git, commit, [MIGRATIONS_PATH])]
    .filter(([file, hash]) => LANDED.test(file) && current.get(file) !== hash)
    .map(([file]): Finding => {
      const verb = current.has(file) ? 'edited' : 'removed';
      const message = `${file} was ${verb} after it landed: databases that already have it would differ from new ones.`;
      const fix = `git checkout ${commit.slice(0, 12)} -- ${file}, and write a new migration`;
      return { code: 'EDITED', object: file, message, fix };
    });
}

/**
 * Returns the present content of the migrations folder by git's hashes: of the worktree, or of the
 * index.
 */
export function hashMigrations(root: string, git: Git, mode: GitMode): Map<string, string> {
  if (mode === 'staged') return listIndex(git, [MIGRATIONS_PATH]);
  return hashFiles(git, listFiles(root, MIGRATIONS_PATH));
}
