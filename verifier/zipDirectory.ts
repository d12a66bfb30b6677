import type { BundleSource } from './bundleSource';
import type { FindingKind } from './findings';

/** A ZIP file that is not read any further, and why. */
export class ZipError extends Error {
  constructor(
    readonly kind: Extract<FindingKind, 'zip_unreadable' | 'zip_shape' | 'zip_doubled'>,
    message: string,
    readonly file?: string,
  ) {
    super(message);
    this.name = 'ZipError';
  }
}

/** A file in a ZIP file, as the central directory has it. */
export interface ZipEntry {
  readonly name: string;
  readonly flags: number;
  readonly method: number;
  readonly time: number;
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
  readonly offset: number;
}

const END_BYTES = 22;
const LOCATOR_BYTES = 20;
const END64_BYTES = 56;
const CENTRAL_BYTES = 46;
const SIGNATURE = { central: 0x02014b50, end: 0x06054b50, end64: 0x06064b50, locator: 0x07064b50 };
const [SHORT_MAX, LONG_MAX] = [0xffff, 0xffffffff];
/** What a bundle's directory never comes near. */
const MOST_DIRECTORY_BYTES = 1_048_576;
/** A ZIP file may end in a comment of this length: so far back one would look for its end. */
const LONGEST_COMMENT = 65_535;

/** Sizes are known from the directory, names are plain: bit 3 and bit 11 of the flags are all that may be set. */
const KNOWN_FLAGS = 0x0808;
export const VERSIONS: readonly number[] = [10, 20, 45];
const METHODS: readonly number[] = [0, 8];
/** Every file of a bundle is one that its owner may write and all may read: no folder, no link, no device. */
const MADE_BY = 0x032d;
const ATTRIBUTES = 0o100644 * 0x10000 + 0x20;
const NAME = /^[A-Za-z0-9][A-Za-z0-9.-]{0,99}$/;

interface Directory {
  readonly at: number;
  readonly length: number;
  readonly entries: number;
}

const shape = (message: string, file?: string): ZipError =>
  new ZipError('zip_shape', message, file);

/** @throws ZipError where the number has no exact form here */
function readLong(bytes: Buffer, at: number): number {
  const value = bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
  if (!Number.isSafeInteger(value)) throw shape('a length in it is beyond all measure');
  return value;
}

/** Says what it is that does not end as a ZIP file does. */
async function explainEnd(source: BundleSource): Promise<ZipError> {
  const length = Math.min(source.size, END_BYTES + LONGEST_COMMENT);
  const tail = await source.read(source.size - length, length);
  const found = tail.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  const after = found < 0 ? 0 : length - found - END_BYTES;
  if (after > 0) return shape(`${after} bytes follow the end of its directory`);
  const head = await source.read(0, Math.min(source.size, 4));
  const isZip = head.toString('latin1') === 'PK\x03\x04';
  return new ZipError(
    'zip_unreadable',
    isZip
      ? 'it is cut off: a ZIP file ends in its directory, which is missing'
      : 'it is no ZIP file',
  );
}

/** ZIP64 says in a record of its own what has no room in the usual one. */
async function readEnd64(source: BundleSource): Promise<Directory> {
  const at = source.size - END_BYTES - LOCATOR_BYTES - END64_BYTES;
  if (at < 0) throw shape('its end says ZIP64, and there is no room for it');
  const bytes = await source.read(at, END64_BYTES + LOCATOR_BYTES);
  const locator = bytes.subarray(END64_BYTES);
  const isRight =
    bytes.readUInt32LE(0) === SIGNATURE.end64 &&
    readLong(bytes, 4) === END64_BYTES - 12 &&
    bytes.readUInt32LE(16) === 0 &&
    bytes.readUInt32LE(20) === 0 &&
    readLong(bytes, 24) === readLong(bytes, 32) &&
    locator.readUInt32LE(0) === SIGNATURE.locator &&
    locator.readUInt32LE(4) === 0 &&
    readLong(locator, 8) === at &&
    locator.readUInt32LE(16) === 1;
  if (!isRight) throw shape('its ZIP64 end is not where it should be, or on more than one disk');
  const directory = { at: readLong(bytes, 48), length: readLong(bytes, 40) };
  if (directory.at + directory.length !== at) throw shape('its directory is not before its end');
  return { ...directory, entries: readLong(bytes, 32) };
}

async function findDirectory(source: BundleSource): Promise<Directory> {
  if (source.size === 0) throw new ZipError('zip_unreadable', 'it is empty');
  if (source.size < END_BYTES) throw new ZipError('zip_unreadable', 'it is no ZIP file');
  const at = source.size - END_BYTES;
  const end = await source.read(at, END_BYTES);
  if (end.readUInt32LE(0) !== SIGNATURE.end || end.readUInt16LE(20) !== 0) {
    throw await explainEnd(source);
  }
  const entries = end.readUInt16LE(10);
  const [length, offset] = [end.readUInt32LE(12), end.readUInt32LE(16)];
  if (end.readUInt16LE(4) !== 0 || end.readUInt16LE(6) !== 0 || end.readUInt16LE(8) !== entries) {
    throw shape('it is on more than one disk');
  }
  if (entries === SHORT_MAX || length === LONG_MAX || offset === LONG_MAX) return readEnd64(source);
  if (offset + length !== at) throw shape('its directory is not before its end');
  return { at: offset, length, entries };
}

/** Takes sizes and place from the ZIP64 field where the usual fields say that they are there. */
function widen(entry: ZipEntry, extra: Buffer): ZipEntry {
  const wide = [entry.size, entry.packed, entry.offset].map((value) => value === LONG_MAX);
  const count = wide.filter(Boolean).length;
  if (extra.length === 0 && count === 0) return entry;
  const isField =
    count > 0 &&
    extra.length === 4 + 8 * count &&
    extra.readUInt16LE(0) === 1 &&
    extra.readUInt16LE(2) === 8 * count;
  if (!isField) throw shape('its entry has a field that bundles do not have', entry.name);
  let at = -4;
  const take = (isWide: boolean | undefined, value: number) =>
    isWide === true ? readLong(extra, (at += 8)) : value;
  const size = take(wide[0], entry.size);
  const packed = take(wide[1], entry.packed);
  return { ...entry, size, packed, offset: take(wide[2], entry.offset) };
}

function readEntry(bytes: Buffer, at: number): { entry: ZipEntry; end: number } {
  const isEntry =
    at + CENTRAL_BYTES <= bytes.length && bytes.readUInt32LE(at) === SIGNATURE.central;
  if (!isEntry) throw shape('its directory is not in the form of one');
  const short = (offset: number) => bytes.readUInt16LE(at + offset);
  const [nameLength, extraLength, commentLength] = [short(28), short(30), short(32)];
  const nameEnd = at + CENTRAL_BYTES + nameLength;
  const end = nameEnd + extraLength + commentLength;
  if (end > bytes.length) throw shape('its directory is not in the form of one');
  const name = bytes.toString('latin1', at + CENTRAL_BYTES, nameEnd);
  if (!NAME.test(name))
    throw shape(`${JSON.stringify(name)} is no name that a file of a bundle has`);
  if (commentLength > 0) throw shape('its entry has a comment', name);
  if ((short(8) & ~KNOWN_FLAGS) !== 0)
    throw shape('it is encrypted, or its flags are unknown', name);
  if (!METHODS.includes(short(10))) throw shape(`it is compressed by method ${short(10)}`, name);
  if (!VERSIONS.includes(short(6))) throw shape(`it needs version ${short(6)} of ZIP`, name);
  if (short(34) !== 0) throw shape('it is on another disk', name);
  if (short(4) !== MADE_BY || short(36) !== 0 || bytes.readUInt32LE(at + 38) !== ATTRIBUTES) {
    throw shape('it is no plain file, or was not packed as bundles are', name);
  }
  const narrow: ZipEntry = {
    ...{ name, flags: short(8), method: short(10), time: bytes.readUInt32LE(at + 12) },
    crc: bytes.readUInt32LE(at + 16),
    packed: bytes.readUInt32LE(at + 20),
    size: bytes.readUInt32LE(at + 24),
    offset: bytes.readUInt32LE(at + 42),
  };
  const entry = widen(narrow, bytes.subarray(nameEnd, end));
  if (entry.method === 0 && entry.packed !== entry.size) {
    throw shape('it is not compressed, and yet has two lengths', name);
  }
  return { entry, end };
}

/**
 * Reads the central directory.
 * @returns the entries in its order, and where it begins
 * @throws ZipError where it is not exactly as bundles have it
 */
export async function readDirectory(
  source: BundleSource,
): Promise<{ entries: ZipEntry[]; at: number }> {
  const directory = await findDirectory(source);
  if (directory.entries === 0)
    throw new ZipError('zip_unreadable', 'it is a ZIP file without a file');
  if (directory.length > MOST_DIRECTORY_BYTES) throw shape('its directory is far too long');
  const bytes = await source.read(directory.at, directory.length);
  const entries: ZipEntry[] = [];
  const names = new Set<string>();
  for (let at = 0; at < bytes.length;) {
    const { entry, end } = readEntry(bytes, at);
    // Some systems take names that differ in case for one.
    const folded = entry.name.toLowerCase();
    if (names.has(folded)) {
      throw new ZipError('zip_doubled', 'two files have this name', entry.name);
    }
    names.add(folded);
    entries.push(entry);
    at = end;
  }
  if (entries.length !== directory.entries) {
    throw shape(`its directory lists ${entries.length} files and counts ${directory.entries}`);
  }
  return { entries, at: directory.at };
}
