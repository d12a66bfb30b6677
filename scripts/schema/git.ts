import { execFileSync } from 'node:child_process';
import { realpathSync } from 'node:fs';

/** A checkout, asked through the git program. */
export interface Git {
  /** @returns what git printed, or undefined where it failed */
  ask(args: readonly string[], stdin?: string): string | undefined;
}

export const NO_GIT =
  'git: this is no checkout, or there is no git program: nothing says what is committed';

/**
 * @param root the top of the checkout
 * @returns undefined where there is no git, or `root` is not the top of a checkout of its own
 */
export function openGit(root: string): Git | undefined {
  const ask = (args: readonly string[], stdin = ''): string | undefined => {
    try {
      return execFileSync('git', ['-C', root, ...args], {
        input: stdin,
        encoding: 'utf8',
        maxBuffer: 64 * 1024 * 1024,
        stdio: ['pipe', 'pipe', 'ignore'],
      });
    } catch {
      return undefined;
    }
  };
  const git = { ask };
  const top = ask(['rev-parse', '--show-toplevel'])?.trim();
  return top !== undefined && realpathSync(top) === realpathSync(root) ? git : undefined;
}

const MAIN = ['origin/main', 'main'];

/**
 * The commit that holds what has landed: where this branch left main, or on main what is committed.
 * @param ref what to take instead of main
 * @returns undefined where there is no such commit
 */
export function findBase(git: Git, ref: string | undefined): string | undefined {
  const candidates = ref === undefined ? MAIN : [ref];
  for (const candidate of candidates) {
    const base = git.ask(['merge-base', 'HEAD', candidate])?.trim();
    if (base) return base;
  }
  return ref === undefined ? git.ask(['rev-parse', '--verify', 'HEAD'])?.trim() : undefined;
}

const BLOB = /^(?:\d+ blob |\d+ )([0-9a-f]{40,64})(?: \d+)?\t(.+)$/;

const parseBlobs = (listing: string): Map<string, string> =>
  new Map(
    listing.split('\0').flatMap((line) => {
      const [, hash, path] = BLOB.exec(line) ?? [];
      return hash && path ? [[path, hash] as const] : [];
    }),
  );

/** Path to blob hash, of a commit. */
export const listCommit = (git: Git, commit: string, paths: readonly string[]) =>
  parseBlobs(git.ask(['ls-tree', '-r', '-z', commit, '--', ...paths]) ?? '');

/** Path to blob hash, of what is staged. */
export const listIndex = (git: Git, paths: readonly string[]) =>
  parseBlobs(git.ask(['ls-files', '-s', '-z', '--', ...paths]) ?? '');

/** Path to the hash that git would give the file as it lies there; never fooled by assume-unchanged. */
export function hashFiles(git: Git, paths: readonly string[]): Map<string, string> {
  const hashes = git.ask(
    ['hash-object', '--stdin-paths'],
    paths.map((path) => `${path}\n`).join(''),
  );
  const lines = (hashes ?? '').split('\n');
  return new Map(paths.map((path, at) => [path, lines[at] ?? '']));
}
