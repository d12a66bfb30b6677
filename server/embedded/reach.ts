import { chmodSync, lstatSync, mkdirSync, statSync, type Stats } from 'node:fs';
import path from 'node:path';
import { EmbeddedPostgresError } from './embeddedError';
import { errorCode } from './ownedFiles';
import type { Account } from './guardedProcess';

/**
 * The folder in which root keeps files that the database's account must reach, if the data folder
 * is closed to that account.
 */
export const systemFolder = '/var/lib/gatehouse';

/**
 * Returns whether an account can reach a path: each folder above it must let the account pass, and
 * the path itself must grant `want`.
 * @param target an absolute path without symbolic links
 * @param account the account to check for; null is this process, for which the result is always
 *   true
 * @param want permission bits of one class: 4 to read, 1 to run or pass
 */
export function canReach(target: string, account: Account, want = 1): boolean {
  if (account === null) return true;
  try {
    if (!grants(statSync(target), account, want)) return false;
    for (let folder = path.dirname(target); ; folder = path.dirname(folder)) {
      if (!grants(statSync(folder), account, 1)) return false;
      if (folder === path.dirname(folder)) return true;
    }
  } catch {
    return false;
  }
}

function grants(stats: Stats, account: { uid: number; gid: number }, want: number): boolean {
  const shift = stats.uid === account.uid ? 6 : stats.gid === account.gid ? 3 : 0;
  return ((stats.mode >> shift) & want) === want;
}

/**
 * Creates a folder of root under `systemFolder` that others can pass through, but neither list nor
 * change.
 * @param name its name there; without one, `systemFolder` itself
 * @returns its path
 * @throws EmbeddedPostgresError if the folder cannot be created or trusted, or `account` cannot
 *   reach it
 */
export function makeSystemFolder(account: Account, name = ''): string {
  const folder = path.join(systemFolder, name);
  try {
    for (const each of new Set([systemFolder, folder])) {
      mkdirSync(each, { recursive: true });
      const stats = lstatSync(each);
      if (!stats.isDirectory() || stats.uid !== 0)
        throw new Error(`${each} does not belong to root`);
      chmodSync(each, 0o711);
    }
  } catch (error) {
    throw unusable(errorCode(error) ?? String(error), error);
  }
  if (!canReach(folder, account))
    throw unusable('a folder above it cannot be entered by other accounts');
  return folder;
}

function unusable(because: string, cause?: unknown): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    `Postgres refuses to run as root. Its files would go to ${systemFolder}, which cannot be used (${because}): choose a data folder and an installation that every account can reach, or set DATABASE_URL.`,
    { cause },
  );
}
