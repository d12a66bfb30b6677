import { linkSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { EmbeddedPostgresError } from './embeddedError';
import { errorCode, readIfThere, uniqueSibling } from './ownedFiles';
import { identifyProcess, isAlive, type ProcessIdentity } from './processIdentity';

/** The right of this process to run the database of one data folder. */
export interface DataDirectoryLock {
  owner: ProcessIdentity;
  release(): void;
}

/**
 * Locks the data folder for this process. It takes over the lock of a dead process.
 * @param dataDir the real path of the data folder
 * @returns the lock; release it when the database has stopped
 * @throws EmbeddedPostgresError naming the pid of the process that holds the lock
 */
export function acquireDataDirectoryLock(dataDir: string): DataDirectoryLock {
  const owner = identifyProcess(process.pid) ?? { pid: process.pid, start: '' };
  const file = lockFile(dataDir);
  const text = JSON.stringify(owner);
  take(file, text, dataDir);
  return {
    owner,
    release() {
      if (readIfThere(file) === text) rmSync(file, { force: true });
    },
  };
}

/**
 * Returns the process that runs the database of a data folder.
 * @param dataDir the real path of the data folder
 * @returns the living owner of its lock, or null
 */
export function readLockOwner(dataDir: string): ProcessIdentity | null {
  const owner = parseOwner(readIfThere(lockFile(dataDir)) ?? '');
  return owner !== null && isAlive(owner) ? owner : null;
}

function lockFile(dataDir: string): string {
  return path.join(dataDir, 'lock');
}

function take(file: string, text: string, dataDir: string): void {
  while (!createWith(file, text, dataDir)) {
    const seen = readIfThere(file);
    if (seen === null) continue;
    const owner = parseOwner(seen);
    if (owner !== null && isAlive(owner)) {
      throw new EmbeddedPostgresError(
        `The data folder ${dataDir} is in use by another Gatehouse process (pid ${owner.pid}): stop that one first or choose another folder.`,
      );
    }
    // Only the holder of this second lock may replace a stale first lock, and only after reading it
    // again. Otherwise a slow process could remove the lock that a fast one has just taken.
    const turn = `${file}.takeover`;
    take(turn, text, dataDir);
    try {
      if (readIfThere(file) === seen) {
        replaceWith(file, text);
        return;
      }
    } finally {
      rmSync(turn, { force: true });
    }
  }
}

/** A hard link appears at once and complete, or fails because the name exists. */
function createWith(file: string, text: string, dataDir: string): boolean {
  const draft = writeDraft(file, text);
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw new EmbeddedPostgresError(
      `The data folder ${dataDir} cannot be locked (${errorCode(error) ?? 'unknown error'}): choose one on a file system with hard links.`,
      { cause: error },
    );
  } finally {
    rmSync(draft, { force: true });
  }
}

function replaceWith(file: string, text: string): void {
  renameSync(writeDraft(file, text), file);
}

function writeDraft(file: string, text: string): string {
  const draft = uniqueSibling(file);
  writeFileSync(draft, text, { mode: 0o644, flag: 'wx' });
  return draft;
}

/** Returns null for a text that a crash damaged. No living process leaves such a lock. */
function parseOwner(text: string): ProcessIdentity | null {
  try {
    const { pid, start } = JSON.parse(text) as Partial<ProcessIdentity>;
    return Number.isInteger(pid) && typeof start === 'string'
      ? { pid: pid as number, start }
      : null;
  } catch {
    return null;
  }
}
