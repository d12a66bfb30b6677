import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';

/**
 * Returns the system's code of an error (such as `ENOENT`), or undefined. It tests the shape and
 * not the class, because errors of Node's modules belong to another realm if this runs in a vm
 * context.
 */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/**
 * Reads a small text file.
 * @returns its text, or null if it does not exist
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
 * Writes a small text file in such a way that a crash leaves either the old text or the new one,
 * and never a part of one.
 * @param file its path
 * @param text its new text
 * @param mode its permission bits
 */
export function writeAtomically(file: string, text: string, mode: number): void {
  const draft = uniqueSibling(file);
  writeFileSync(draft, text, { mode, flag: 'wx', flush: true });
  renameSync(draft, file);
}

/** Returns a name beside `file` that nobody else uses. */
export function uniqueSibling(file: string): string {
  return `${file}.${process.pid}-${randomBytes(4).toString('hex')}`;
}

/** Flushes a folder, so that a rename inside it survives a power failure. */
export function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
