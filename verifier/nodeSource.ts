import { open, readdir, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { createInflateRaw } from 'node:zlib';
import { isBundleFile } from './container';
import type { BundleFolder, BundleSource } from './bundleSource';
import { isLitter } from './zipFile';

const CHUNK_BYTES = 262_144;

async function readExactly(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  for (let done = 0; done < length;) {
    const { bytesRead } = await file.read(bytes, done, length - done, at + done);
    if (bytesRead === 0) throw new Error('it became shorter while it was read');
    done += bytesRead;
  }
  return bytes;
}

async function* readPieces(file: FileHandle, at: number, length: number): AsyncGenerator<Buffer> {
  for (let done = 0; done < length; done += CHUNK_BYTES) {
    yield await readExactly(file, at + done, Math.min(CHUNK_BYTES, length - done));
  }
}

/** Inflates in another thread while the caller works on the pieces that were inflated before. */
async function* inflate(file: FileHandle, at: number, length: number): AsyncGenerator<Buffer> {
  const inflating = createInflateRaw({ chunkSize: CHUNK_BYTES });
  const pieces = Readable.from(readPieces(file, at, length), {
    objectMode: false,
    highWaterMark: CHUNK_BYTES,
  });
  pieces.on('error', (error) => inflating.destroy(error));
  pieces.pipe(inflating);
  try {
    for await (const chunk of inflating) yield chunk as Buffer;
    if (inflating.bytesWritten !== length) throw new Error('it ends before its last byte');
  } finally {
    pieces.destroy();
    inflating.destroy();
  }
}

/** Must be closed after use. */
interface Closable {
  close(): Promise<void>;
}

/** Opens a file on a disk. @throws Error of the file system */
export async function openFile(path: string): Promise<BundleSource & Closable> {
  const file = await open(path, 'r');
  const facts = await file.stat();
  if (!facts.isFile()) {
    await file.close();
    throw new Error('it is no file');
  }
  return {
    name: basename(path),
    size: facts.size,
    read: (at, length) => readExactly(file, at, length),
    stream: (at, length) => readPieces(file, at, length),
    inflate: (at, length) => inflate(file, at, length),
    close: () => file.close(),
  };
}

/**
 * Finds the files of a bundle that was unpacked. Many programs put a folder with the ZIP file's
 * name around them.
 * @returns the one folder in `path` if nothing else is in there, or else `path` itself
 */
async function findFolder(path: string): Promise<string> {
  const entries = await readdir(path, { withFileTypes: true });
  const [only, ...more] = entries.filter(({ name }) => !isLitter(name));
  return only?.isDirectory() === true && more.length === 0 ? join(path, only.name) : path;
}

/** Opens the folder that a bundle was unpacked into. It does not follow links in that folder. */
async function openFolder(given: string): Promise<BundleFolder & Closable> {
  const path = await findFolder(given);
  const entries = await readdir(path, { withFileTypes: true });
  const isOf = (entry: (typeof entries)[number]) => entry.isFile() && isBundleFile(entry.name);
  const files: (BundleSource & Closable)[] = [];
  const close = async () => void (await Promise.all(files.map((file) => file.close())));
  try {
    for (const entry of entries.filter(isOf)) files.push(await openFile(join(path, entry.name)));
  } catch (error) {
    await close();
    throw error;
  }
  const others = entries.filter((entry) => !isOf(entry)).map(({ name }) => name);
  return { name: basename(resolve(path)), files, others, close };
}

/** Opens a ZIP file or a folder. @throws Error of the file system */
export async function openBundle(path: string): Promise<(BundleSource | BundleFolder) & Closable> {
  return (await stat(path)).isDirectory() ? openFolder(path) : openFile(path);
}
