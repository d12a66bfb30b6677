import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { ConfigError } from '../../config';

/** The digits of a SHA-1, at the beginning of each line. */
const HASH_LENGTH = 40;
/** Longer than any line: a hash, a colon, a count and the line's end. */
const CHUNK = 96;
const LINE = /^([0-9A-F]{40})(?::\d{1,15})?$/i;
/** How many places of the file are read at the start to see whether it is sorted. */
const SAMPLES = 512;

/** Reads from a position: `fs.readSync` at the start, a file handle later. */
type Read = (position: number) => Buffer | Promise<Buffer>;

/** A line of the file, in upper case, and where it begins. */
interface Line {
  hash: string;
  start: number;
}

/** Finds the first whole line at or after a position. */
function firstLine(chunk: Buffer, position: number): Line | 'malformed' | undefined {
  const text = chunk.toString('latin1');
  // Skip the line that the position is inside of. The byte before the position shows if there is one.
  const from = position === 0 ? 0 : text.indexOf('\n') + 1;
  if (position !== 0 && from === 0) return text.length < CHUNK ? undefined : 'malformed';
  const [line = ''] = text.slice(from).split('\n');
  if (line.trim() === '') return undefined;
  const [, hash] = LINE.exec(line.trimEnd()) ?? [];
  const start = Math.max(position - 1, 0) + from;
  return hash === undefined ? 'malformed' : { hash: hash.toUpperCase(), start };
}

const lineAt = async (read: Read, position: number) =>
  firstLine(await read(Math.max(position - 1, 0)), position);

/**
 * Checks a file at a sample of places, so that a large one does not delay the start.
 * @returns what is wrong with it; undefined if it is sorted
 */
function findFault(fd: number): string | undefined {
  const { size } = fstatSync(fd);
  const chunk = Buffer.alloc(2 * CHUNK);
  let before = '';
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    const position = Math.floor((size * sample) / SAMPLES);
    const length = readSync(fd, chunk, 0, chunk.length, Math.max(position - 1, 0));
    const line = firstLine(chunk.subarray(0, length), position);
    if (line === undefined && position > 0) break;
    if (line === undefined || line === 'malformed') {
      return 'must have lines such as 000000005AD76BD555C1D6D771DE417A4B87E4B4:10.';
    }
    if (line.hash < before) return 'must be sorted by hash.';
    before = line.hash;
  }
  return undefined;
}

/**
 * Opens a file of breached passwords as Have I Been Pwned publishes them: one SHA-1 in hex a line,
 * with a colon and a count, sorted by hash. A look-up is a binary search on the disk and needs
 * constant memory.
 * @returns whether the file has a hash, given in upper-case hex
 * @throws ConfigError if the file cannot be read, has other lines, or is not sorted
 */
export function openBreachedFile(path: string): (hash: string) => Promise<boolean> {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    throw new ConfigError(['BREACHED_PASSWORDS_FILE names a file that cannot be read.']);
  }
  try {
    const fault = findFault(fd);
    if (fault !== undefined) throw new ConfigError([`BREACHED_PASSWORDS_FILE ${fault}`]);
  } finally {
    closeSync(fd);
  }
  return (hash) => hasLine(path, hash);
}

async function hasLine(path: string, hash: string): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const chunk = Buffer.alloc(2 * CHUNK);
    const read = async (position: number) => {
      const { bytesRead } = await file.read(chunk, 0, chunk.length, position);
      return chunk.subarray(0, bytesRead);
    };
    let [low, high] = [0, size];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const line = await lineAt(read, middle);
      if (line === 'malformed') throw new Error('the file of breached passwords has another line');
      if (line?.hash === hash) return true;
      if (line === undefined || line.hash > hash) high = middle;
      else low = line.start + HASH_LENGTH;
    }
    return false;
  } finally {
    await file.close();
  }
}
