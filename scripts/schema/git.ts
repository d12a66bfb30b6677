import { execFileSync } from 'node:child_process';
import { realpathSync } from 'node:fs';

/** A checkout, used through the git program. */
export interface Git {
  /** @returns the output of git, or undefined if it failed */
  ask(args: readonly string[], stdin?: string): string | undefined;
}

export const NO_GIT =
  'git: this folder is not a checkout, or git is not installed, so the committed files are unknown';

/**
 * Opens a checkout.
 * @param root the top of the checkout
 * @returns undefined if there is no git, or if `root` is not the top of a checkout
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
 * Finds the commit that holds the landed migrations: the point at which this branch left main, or
 * on main itself the last commit.
 * @param ref the branch to use instead of main
 * @returns undefined if there is no such commit
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

/** Returns the blob hash of each path in a commit. */
export const listCommit = (git: Git, commit: string, paths: readonly string[]) =>
  parseBlobs(git.ask(['ls-tree', '-r', '-z', commit, '--', ...paths]) ?? '');

/** Returns the blob hash of each path in the index. */
export const listIndex = (git: Git, paths: readonly string[]) =>
  parseBlobs(git.ask(['ls-files', '-s', '-z', '--', ...paths]) ?? '');

/**
 * Returns the hash that git would give to the present content of each file. The flag
 * assume-unchanged does not affect it.
 */
export function hashFiles(git: Git, paths: readonly string[]): Map<string, string> {
  const hashes = git.ask(
    ['hash-object', '--stdin-paths'],
    paths.map((path) => `${path}\n`).join(''),
  );
  const lines = (hashes ?? '').split('\n');
  return new Map(paths.map((path, at) => [path, lines[at] ?? '']));
}

/**
 * Returns the contents of blobs by their hashes, from one process of git.
 * @throws Error if a blob is not in this clone
 */
export function readBlobs(git: Git, hashes: readonly string[]): Map<string, Buffer> {
  const wanted = hashes.map((hash) => `${hash}\n`).join('');
  const output = Buffer.from(git.ask(['cat-file', '--batch'], wanted) ?? '');
  const blobs = new Map<string, Buffer>();
  let at = 0;
  for (const hash of hashes) {
    const start = output.indexOf('\n', at) + 1;
    const [, size] = / blob (\d+)\n$/.exec(output.toString('utf8', at, start)) ?? [];
    if (size === undefined) throw new Error(`git cannot read ${hash}.`);
    at = start + Number(size) + 1;
    blobs.set(hash, output.subarray(start, at - 1));
  }
  return blobs;
}
