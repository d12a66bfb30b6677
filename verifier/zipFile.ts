import { crc32 } from 'node:zlib';
import type { BundleSource } from './bundleSource';
import { readDirectory, readFields, VERSIONS, ZipError } from './zipDirectory';
import type { ZipEntry } from './zipDirectory';

const LOCAL_BYTES = 30;
const LOCAL_SIGNATURE = 0x04034b50;
const DESCRIPTOR_SIGNATURE = 0x08074b50;
const LONG_MAX = 0xffffffff;
/**
 * The flag of an entry that was written before its size was known. A descriptor after the content
 * then holds the sizes.
 */
const STREAMED = 0x0008;

/** Thrown if a file in a ZIP file cannot be unpacked as it was packed. */
export class ZipDamage extends Error {
  constructor(
    readonly file: string,
    message: string,
  ) {
    super(message);
    this.name = 'ZipDamage';
  }
}

/** A file in a ZIP file, and the position of its packed bytes. */
export interface PackedFile {
  readonly entry: Pick<ZipEntry, 'name' | 'method' | 'packed' | 'size'> & {
    /** Undefined for a file in a folder, which has no CRC. */
    readonly crc: number | undefined;
  };
  readonly at: number;
  readonly source: BundleSource;
}

const shape = (entry: ZipEntry, message: string): ZipError =>
  new ZipError('zip_shape', message, entry.name);

const isStreamed = ({ flags }: ZipEntry): boolean => (flags & STREAMED) !== 0;

/**
 * Returns whether the local header of an entry matches the directory. If sizes follow the content,
 * the header may also hold zeros.
 */
function isDescribed(entry: ZipEntry, header: Buffer, field: Buffer | undefined): boolean {
  const long = (at: number) => header.readUInt32LE(at);
  const wide = (at: number) =>
    field && field.length >= at + 8
      ? field.readUInt32LE(at) + field.readUInt32LE(at + 4) * 2 ** 32
      : undefined;
  const size = field && long(22) === LONG_MAX ? wide(0) : long(22);
  const packed = field && long(18) === LONG_MAX ? wide(8) : long(18);
  const isLater = isStreamed(entry) && [long(14), packed, size].every((value) => value === 0);
  return isLater || (long(14) === entry.crc && packed === entry.packed && size === entry.size);
}

/**
 * Reads the local header of an entry.
 * @returns the position of the content, and whether Gatehouse writes such headers
 */
async function readHeader(
  source: BundleSource,
  entry: ZipEntry,
): Promise<{ at: number; isOurs: boolean }> {
  const { name, offset } = entry;
  const header = await source.read(offset, LOCAL_BYTES);
  if (header.readUInt32LE(0) !== LOCAL_SIGNATURE)
    throw shape(entry, 'it does not begin at the position that the directory names');
  const [nameLength, extraLength] = [header.readUInt16LE(26), header.readUInt16LE(28)];
  const at = offset + LOCAL_BYTES + nameLength + extraLength;
  if (at > source.size) throw shape(entry, 'it does not end');
  const more = await source.read(offset + LOCAL_BYTES, nameLength + extraLength);
  const localName = more.toString('latin1', 0, nameLength);
  if (localName !== name) {
    throw shape(
      entry,
      `its own header names it ${JSON.stringify(localName)}, but the directory names it differently`,
    );
  }
  const field = readFields(more.subarray(nameLength), name);
  const isSame =
    header.readUInt16LE(6) === entry.flags &&
    header.readUInt16LE(8) === entry.method &&
    header.readUInt32LE(10) === entry.time &&
    VERSIONS.includes(header.readUInt16LE(4)) &&
    isDescribed(entry, header, field);
  if (!isSame) throw shape(entry, 'its own header contradicts the directory');
  return { at, isOurs: extraLength === 0 };
}

/**
 * The forms of a descriptor: it may begin with a signature, and its sizes have 32 or 64 bits.
 * Gatehouse writes the first form, or the second for large files.
 */
const DESCRIPTORS = [
  { length: 16, isSigned: true, isWide: false },
  { length: 24, isSigned: true, isWide: true },
  { length: 12, isSigned: false, isWide: false },
  { length: 20, isSigned: false, isWide: true },
];

function descriptorOf(entry: ZipEntry, { isSigned, isWide }: (typeof DESCRIPTORS)[number]): Buffer {
  const bytes = Buffer.alloc(24);
  let at = isSigned ? bytes.writeUInt32LE(DESCRIPTOR_SIGNATURE, 0) : 0;
  at = bytes.writeUInt32LE(entry.crc, at);
  for (const value of [entry.packed, entry.size]) {
    at = bytes.writeUInt32LE(value % 2 ** 32, at);
    if (isWide) at = bytes.writeUInt32LE(Math.floor(value / 2 ** 32), at);
  }
  return bytes.subarray(0, at);
}

/**
 * Finds the end of an entry, including its descriptor. If several forms fit, it takes the one after
 * which another entry or the directory begins.
 */
async function endOf(
  source: BundleSource,
  entry: ZipEntry,
  at: number,
  starts: ReadonlySet<number>,
) {
  const after = at + entry.packed;
  if (!isStreamed(entry)) return { next: after, isOurs: true };
  const bytes = await source.read(after, Math.max(0, Math.min(24, source.size - after)));
  const fitting = DESCRIPTORS.filter((form) =>
    descriptorOf(entry, form).equals(bytes.subarray(0, form.length)),
  );
  const form = fitting.find(({ length }) => starts.has(after + length)) ?? fitting[0];
  if (!form) throw shape(entry, 'its data descriptor contradicts the directory');
  const isLarge = entry.size > LONG_MAX || entry.packed > LONG_MAX;
  return { next: after + form.length, isOurs: form.isSigned && form.isWide === isLarge };
}

/** The contents of a ZIP file or a folder, and whether they were packed again. */
export interface Container {
  readonly files: readonly PackedFile[];
  /** Whether another program has packed or unpacked the files again. */
  readonly isRepacked: boolean;
  /** Files that an operating system has added. */
  readonly litter: readonly string[];
  /**
   * Other files of a folder. They do not belong to the bundle. In a ZIP file every file claims to
   * belong to it, so this is empty.
   */
  readonly others: readonly string[];
}

/** Returns whether macOS or Windows put this file into a folder or an archive. */
export const isLitter = (path: string): boolean =>
  /(?:^|\/)(?:__MACOSX(?:\/|$)|(?:\.DS_Store|\._[^/]*|Thumbs\.db|desktop\.ini)$)/i.test(path);

/**
 * Removes the common folder of all files, if there is one, and the files that an operating system
 * added.
 */
function sortOut(packed: readonly PackedFile[]): Pick<Container, 'files' | 'litter'> {
  const paths = packed.map(({ entry }) => entry.name);
  const litter = paths.filter(isLitter);
  const files = packed.filter(({ entry: { name } }) => !isLitter(name) && !name.endsWith('/'));
  for (const { entry } of packed) {
    const { name, size } = entry;
    if (!name.endsWith('/') || isLitter(name)) continue;
    const isUsed = files.some((file) => file.entry.name.startsWith(name));
    if (isUsed && size === 0) continue;
    throw new ZipError('zip_shape', `${JSON.stringify(name)} is not a folder of a bundle`);
  }
  const [folder = ''] = /^[^/]+\//.exec(files[0]?.entry.name ?? '') ?? [];
  if (!files.every(({ entry }) => entry.name.startsWith(folder))) return { files, litter };
  const bare = files.map((file) => {
    const name = file.entry.name.slice(folder.length);
    return { ...file, entry: { ...file.entry, name } };
  });
  return { files: bare, litter };
}

/**
 * Reads the contents of a ZIP file, regardless of the program that packed it. Every byte must
 * belong to a file, to its descriptor or to the directory, and all of them must describe each file
 * in the same way. So no two programs can find different files in it.
 * @throws ZipError if that does not hold
 */
export async function readZipFile(source: BundleSource): Promise<Container> {
  const { entries, at: directoryAt, hasComment } = await readDirectory(source);
  const sorted = [...entries].sort((one, other) => one.offset - other.offset);
  const starts = new Set([...entries.map(({ offset }) => offset), directoryAt]);
  const places = new Map<ZipEntry, number>();
  let isOurs = !hasComment && sorted.every((entry, index) => entry === entries[index]);
  let next = 0;
  for (const entry of sorted) {
    if (entry.offset !== next)
      throw shape(entry, 'it does not begin right after the file before it');
    const header = await readHeader(source, entry);
    const end = await endOf(source, entry, header.at, starts);
    next = end.next;
    if (next > directoryAt) throw shape(entry, 'it overlaps the directory');
    isOurs = isOurs && entry.isOurs && header.isOurs && end.isOurs;
    places.set(entry, header.at);
  }
  if (next !== directoryAt) {
    throw new ZipError(
      'zip_shape',
      `${directoryAt - next} bytes lie between its files and its directory`,
    );
  }
  const packed = entries.map((entry) => ({ entry, at: places.get(entry) ?? 0, source }));
  const { files, litter } = sortOut(packed);
  const isBare = files.every((file, index) => file.entry.name === packed[index]?.entry.name);
  return {
    files,
    litter,
    others: [],
    isRepacked: !isOurs || !isBare || files.length < packed.length,
  };
}

async function* unpacked({ entry, at, source }: PackedFile): AsyncGenerator<Buffer> {
  const packed =
    entry.method === 0 ? source.stream(at, entry.packed) : source.inflate(at, entry.packed);
  const chunks = packed[Symbol.asyncIterator]();
  try {
    for (;;) {
      const step = await chunks.next().catch((error: unknown) => {
        const because = error instanceof Error ? error.message : 'damaged';
        throw new ZipDamage(entry.name, `it cannot be unpacked: ${because}`);
      });
      if (step.done === true) return;
      yield step.value;
    }
  } finally {
    await chunks.return?.();
  }
}

/**
 * Unpacks a file while it is read. Stops as soon as it is longer than it should be.
 * @throws ZipDamage if the content does not match the directory
 */
export async function* unpack(file: PackedFile): AsyncGenerator<Buffer> {
  const { name, size, crc } = file.entry;
  let [bytes, sum] = [0, 0];
  for await (const chunk of unpacked(file)) {
    bytes += chunk.length;
    if (bytes > size)
      throw new ZipDamage(name, `it is longer than the ${size} bytes that it claims`);
    sum = crc32(chunk, sum);
    yield chunk;
  }
  if (bytes < size) throw new ZipDamage(name, `it ends after ${bytes} of ${size} bytes`);
  if (crc !== undefined && sum !== crc)
    throw new ZipDamage(name, 'its content was changed: its CRC-32 differs');
}
