import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';

/**
 * The system's code of an error (`ENOENT`), or undefined. Goes by shape and not by class: what
 * Node's modules throw belongs to another realm when this runs in a vm context.
 */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/**
 * Reads a small text file.
 * @returns its text, or null when it is not there
 * @throws every other error of the file system
 */
export function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
}

/**
 * Writes a small text file so that a crash leaves the old text or the new one, never half of either.
 * @param file where
 * @param text what
 * @param mode its permission bits
 */
export function writeAtomically(file: string, text: string, mode: number): void {
  const draft = uniqueSibling(file);
  writeFileSync(draft, text, { mode, flag: 'wx', flush: true });
  renameSync(draft, file);
}

/** A name beside `file` that nobody else uses. */
export function uniqueSibling(file: string): string {
  return `${file}.${process.pid}-${randomBytes(4).toString('hex')}`;
}

/** Makes a rename inside a folder survive a power failure. */
export function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
