import type { BundleSource } from './bundleSource';
import type { FindingKind } from './bundleFindings';

/** Thrown if a ZIP file is not read any further; it gives the reason. */
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

/** A file in a ZIP file, as the central directory describes it. */
export interface ZipEntry {
  readonly name: string;
  readonly flags: number;
  readonly method: number;
  readonly time: number;
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
  readonly offset: number;
  /**
   * Whether the entry is written as Gatehouse writes it, and not by a program that packed the files
   * again.
   */
  readonly isOurs: boolean;
}

const END_BYTES = 22;
const LOCATOR_BYTES = 20;
const END64_BYTES = 56;
const CENTRAL_BYTES = 46;
const SIGNATURE = { central: 0x02014b50, end: 0x06054b50, end64: 0x06064b50, locator: 0x07064b50 };
const [SHORT_MAX, LONG_MAX] = [0xffff, 0xffffffff];
/** The largest size of a directory in bytes, far above that of any bundle. */
const MOST_DIRECTORY_BYTES = 1_048_576;
/**
 * The longest comment in bytes at the end of a ZIP file. The search for the end record goes back
 * this far.
 */
const LONGEST_COMMENT = 65_535;

/**
 * Gatehouse only sets bit 3 (sizes follow the content) and bit 11 (names are UTF-8) of the flags.
 */
const OUR_FLAGS = 0x0808;
/**
 * Bits 1 and 2 show how strongly a program compressed. The other bits are for encryption and
 * patches.
 */
const KNOWN_FLAGS = OUR_FLAGS | 0x0006;
export const VERSIONS: readonly number[] = [10, 20, 45];
const METHODS: readonly number[] = [0, 8];
/** Gatehouse gives each file the mode that lets its owner write and everybody read. */
const MADE_BY = 0x032d;
const ATTRIBUTES = 0o100644 * 0x10000 + 0x20;
/**
 * A path that every system reads in the same way. It cannot lead out of the folder into which it is
 * unpacked, and has no drive, no backslash and nothing that needs encoding.
 */
const PATH = /^(?!\/)(?!.*(?:^|\/)\.{1,2}(?:\/|$))(?!.*\/\/)[A-Za-z0-9._ ()@+,=~/-]{1,200}$/;

/** The file type bits of an entry's mode, if a program set them. */
const TYPE = { mask: 0o170000, none: 0, file: 0o100000, folder: 0o040000 };
const [DOS_FOLDER, DOS_VOLUME] = [0x10, 0x08];

/** The id of a field that gives an entry a second name. */
const UNICODE_PATH = 0x7075;
const ZIP64 = 0x0001;

interface Directory {
  readonly at: number;
  readonly length: number;
  readonly entries: number;
  readonly hasComment: boolean;
}

const shape = (message: string, file?: string): ZipError =>
  new ZipError('zip_shape', message, file);

/** @throws ZipError if the number cannot be represented exactly */
function readLong(bytes: Buffer, at: number): number {
  const value = bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
  if (!Number.isSafeInteger(value)) throw shape('a length in it is impossibly large');
  return value;
}

/**
 * Finds the last record of a ZIP file.
 * @throws ZipError if there is none, or if something follows it
 */
async function findEnd(source: BundleSource): Promise<{ at: number; bytes: Buffer }> {
  const length = Math.min(source.size, END_BYTES + LONGEST_COMMENT);
  const tail = await source.read(source.size - length, length);
  const found = tail.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  const bytes = tail.subarray(found, found + END_BYTES);
  if (found >= 0 && bytes.length === END_BYTES) {
    const after = length - found - END_BYTES - bytes.readUInt16LE(20);
    if (after === 0) return { at: source.size - length + found, bytes };
    if (after > 0) throw shape(`${after} bytes follow the end of its directory`);
  }
  const head = await source.read(0, Math.min(source.size, 4));
  const isZip = head.toString('latin1') === 'PK\x03\x04';
  throw new ZipError(
    'zip_unreadable',
    isZip
      ? 'it is cut off: a ZIP file ends with its directory, which is missing'
      : 'it is not a ZIP file',
  );
}

/** Reads the ZIP64 end record, which holds the values that do not fit into the usual one. */
async function readEnd64(source: BundleSource, endAt: number): Promise<Directory> {
  const at = endAt - LOCATOR_BYTES - END64_BYTES;
  if (at < 0) throw shape('its end announces ZIP64, but there is no room for it');
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
  if (!isRight) throw shape('its ZIP64 end is not at its position, or spans several disks');
  const directory = { at: readLong(bytes, 48), length: readLong(bytes, 40), hasComment: false };
  if (directory.at + directory.length !== at) throw shape('its directory is not before its end');
  return { ...directory, entries: readLong(bytes, 32) };
}

async function findDirectory(source: BundleSource): Promise<Directory> {
  if (source.size === 0) throw new ZipError('zip_unreadable', 'it is empty');
  if (source.size < END_BYTES) throw new ZipError('zip_unreadable', 'it is not a ZIP file');
  const { at, bytes: end } = await findEnd(source);
  const entries = end.readUInt16LE(10);
  const hasComment = end.readUInt16LE(20) > 0;
  const [length, offset] = [end.readUInt32LE(12), end.readUInt32LE(16)];
  if (end.readUInt16LE(4) !== 0 || end.readUInt16LE(6) !== 0 || end.readUInt16LE(8) !== entries) {
    throw shape('it spans several disks');
  }
  if (entries === SHORT_MAX || length === LONG_MAX || offset === LONG_MAX) {
    return { ...(await readEnd64(source, at)), hasComment };
  }
  if (offset + length !== at) throw shape('its directory is not before its end');
  return { at: offset, length, entries, hasComment };
}

/**
 * Reads the extra fields of an entry. It ignores those that other programs add, such as times and
 * owners.
 * @returns the content of the ZIP64 field
 * @throws ZipError if the fields could be read in two ways, or if one names the entry again
 */
export function readFields(bytes: Buffer, name: string): Buffer | undefined {
  let zip64: Buffer | undefined;
  for (let at = 0; at < bytes.length;) {
    const end = at + 4 <= bytes.length ? at + 4 + bytes.readUInt16LE(at + 2) : Infinity;
    if (end > bytes.length) throw shape('its extra fields are malformed', name);
    const id = bytes.readUInt16LE(at);
    if (id === UNICODE_PATH) throw shape('an extra field gives it a second name', name);
    if (id === ZIP64) {
      if (zip64) throw shape('it has two ZIP64 fields', name);
      zip64 = bytes.subarray(at + 4, end);
    }
    at = end;
  }
  return zip64;
}

/** Takes sizes and offset from the ZIP64 field if, and only if, the usual fields refer to it. */
function widen(entry: ZipEntry, extra: Buffer): ZipEntry {
  const wide = [entry.size, entry.packed, entry.offset].map((value) => value === LONG_MAX);
  const count = wide.filter(Boolean).length;
  const field = readFields(extra, entry.name);
  if ((field?.length ?? 0) !== 8 * count) {
    throw shape('its ZIP64 field does not match its sizes', entry.name);
  }
  const isOurs = entry.isOurs && extra.length === (field ? 4 + field.length : 0);
  if (!field) return { ...entry, isOurs };
  let at = -8;
  const take = (isWide: boolean | undefined, value: number) =>
    isWide === true ? readLong(field, (at += 8)) : value;
  const size = take(wide[0], entry.size);
  const packed = take(wide[1], entry.packed);
  return { ...entry, size, packed, offset: take(wide[2], entry.offset), isOurs };
}

/**
 * Returns whether an entry is a regular file, or the folder that its name claims, and not a link or
 * a device.
 */
function isPlain(attributes: number, isFolder: boolean): boolean {
  const type = Math.floor(attributes / 0x10000) & TYPE.mask;
  const isDosFolder = (attributes & DOS_FOLDER) !== 0;
  const isType = type === TYPE.none || type === (isFolder ? TYPE.folder : TYPE.file);
  return isType && (attributes & DOS_VOLUME) === 0 && (isFolder || !isDosFolder);
}

function readEntry(bytes: Buffer, at: number): { entry: ZipEntry; end: number } {
  const isEntry =
    at + CENTRAL_BYTES <= bytes.length && bytes.readUInt32LE(at) === SIGNATURE.central;
  if (!isEntry) throw shape('its directory is malformed');
  const short = (offset: number) => bytes.readUInt16LE(at + offset);
  const [nameLength, extraLength, commentLength] = [short(28), short(30), short(32)];
  const nameEnd = at + CENTRAL_BYTES + nameLength;
  const end = nameEnd + extraLength + commentLength;
  if (end > bytes.length) throw shape('its directory is malformed');
  const name = bytes.toString('latin1', at + CENTRAL_BYTES, nameEnd);
  if (!PATH.test(name))
    throw shape(`${JSON.stringify(name)} is not the name of a file of a bundle`);
  if ((short(8) & ~KNOWN_FLAGS) !== 0)
    throw shape('it is encrypted, or its flags are unknown', name);
  if (!METHODS.includes(short(10))) throw shape(`it is compressed by method ${short(10)}`, name);
  if (!VERSIONS.includes(short(6))) throw shape(`it needs version ${short(6)} of ZIP`, name);
  if (short(34) !== 0) throw shape('it is on another disk', name);
  const attributes = bytes.readUInt32LE(at + 38);
  if (!isPlain(attributes, name.endsWith('/'))) throw shape('it is not a plain file', name);
  const isOurs =
    short(4) === MADE_BY &&
    attributes === ATTRIBUTES &&
    (short(8) & ~OUR_FLAGS) === 0 &&
    short(36) === 0 &&
    commentLength === 0;
  const narrow: ZipEntry = {
    ...{ name, flags: short(8), method: short(10), time: bytes.readUInt32LE(at + 12) },
    crc: bytes.readUInt32LE(at + 16),
    packed: bytes.readUInt32LE(at + 20),
    size: bytes.readUInt32LE(at + 24),
    offset: bytes.readUInt32LE(at + 42),
    isOurs,
  };
  const entry = widen(narrow, bytes.subarray(nameEnd, nameEnd + extraLength));
  if (entry.method === 0 && entry.packed !== entry.size) {
    throw shape('it is not compressed, but has two different lengths', name);
  }
  return { entry, end };
}

/**
 * Reads the central directory.
 * @returns the entries in its order, its position, and whether the ZIP file has a comment
 * @throws ZipError if it could be read in two ways
 */
export async function readDirectory(
  source: BundleSource,
): Promise<{ entries: ZipEntry[]; at: number; hasComment: boolean }> {
  const directory = await findDirectory(source);
  if (directory.entries === 0)
    throw new ZipError('zip_unreadable', 'it is a ZIP file without a file');
  if (directory.length > MOST_DIRECTORY_BYTES) throw shape('its directory is far too long');
  const bytes = await source.read(directory.at, directory.length);
  const entries: ZipEntry[] = [];
  const names = new Set<string>();
  for (let at = 0; at < bytes.length;) {
    const { entry, end } = readEntry(bytes, at);
    // Some systems treat names that differ only in case as the same name.
    const folded = entry.name.toLowerCase();
    if (names.has(folded)) {
      throw new ZipError('zip_doubled', 'two files have this name', entry.name);
    }
    names.add(folded);
    entries.push(entry);
    at = end;
  }
  if (entries.length !== directory.entries) {
    throw shape(`its directory lists ${entries.length} files, but counts ${directory.entries}`);
  }
  return { entries, at: directory.at, hasComment: directory.hasComment };
}
