import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { CheckpointFile } from '../../config/checkpointSettings';
import { DeliveryError } from './deliverSink';
import type { Sink } from './deliverSink';
import type { NumberedNote } from './deliverStore';

const AT_ONCE = 500;
/** Holds some thousands of notes: more than a crash can leave unrecorded in the database. */
const TAIL_BYTES = 1_048_576;

/**
 * Matches a whole checkpoint by the form of its lines and the length of its signature. One that a crash cut off does
 * not match.
 */
const NOTE =
  /^gatehouse\/[0-9a-f-]{36}\n[0-9]+\n[A-Za-z0-9+/=]{44}\n\n— \S+ [A-Za-z0-9+/=]{92}\n/gm;

/** Identifies the file and its length. Both change if somebody rotates, replaces or writes the file. */
interface Mark {
  readonly dev: number;
  readonly ino: number;
  readonly size: number;
}

async function readFrom(handle: FileHandle, from: number, size: number): Promise<string> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(size - from), 0, size - from, from);
  return buffer.subarray(0, bytesRead).toString('utf8');
}

/** Returns the line breaks that separate the next note from the last one: a crash may have cut off the usual ones. */
async function separatorFor(handle: FileHandle, size: number): Promise<string> {
  if (size === 0) return '';
  const end = await readFrom(handle, Math.max(0, size - 2), size);
  if (end.endsWith('\n\n')) return '';
  return end.endsWith('\n') ? '\n' : '\n\n';
}

/** Syncs the folder. Without it, a power failure may remove a new file, whatever was written to it. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/**
 * Opens the file anew for each use and only for appending: a file that was moved away is created again, and no file
 * is ever truncated.
 */
async function withFile<T>(
  path: string,
  work: (handle: FileHandle, mark: Mark) => Promise<T>,
): Promise<T> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'a+', 0o644);
    const stat = await handle.stat();
    if (!stat.isFile()) throw new DeliveryError('NOT_A_FILE');
    return await work(handle, stat);
  } catch (error) {
    if (error instanceof DeliveryError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new DeliveryError(code ?? 'UNKNOWN');
  } finally {
    await handle?.close();
  }
}

/**
 * Opens a sink that appends to a file. Progress is recorded in the database only after the file is synced to disk. A
 * crash in between leaves notes in the file that the database does not record; `recall` finds them at the end of the
 * file, so they are not written twice.
 */
export function openFileSink({ sink: name, path }: CheckpointFile): Sink {
  let left: Mark | undefined;
  return {
    kind: 'file',
    name,
    atOnce: AT_ONCE,
    recall: () =>
      withFile(path, async (handle, { dev, ino, size }) => {
        if (left?.dev === dev && left.ino === ino && left.size === size) return undefined;
        const tail = await readFrom(handle, Math.max(0, size - TAIL_BYTES), size);
        return tail.match(NOTE) ?? [];
      }),
    async send(checkpoints: readonly NumberedNote[]) {
      left = undefined;
      left = await withFile(path, async (handle, { size }) => {
        const records = checkpoints.map(({ note }) => `${note}\n`).join('');
        await handle.appendFile((await separatorFor(handle, size)) + records);
        await handle.sync();
        if (size === 0) await syncFolder(path);
        const after = await handle.stat();
        return { dev: after.dev, ino: after.ino, size: after.size };
      });
    },
    close: () => undefined,
  };
}
