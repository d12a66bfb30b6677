import { crc32 } from 'node:zlib';
import type { BundleSource } from './bundleSource';
import { readDirectory, VERSIONS, ZipError } from './zipDirectory';
import type { ZipEntry } from './zipDirectory';

const LOCAL_BYTES = 30;
const LOCAL_SIGNATURE = 0x04034b50;
const DESCRIPTOR_SIGNATURE = 0x08074b50;
const LONG_MAX = 0xffffffff;
/** The flag of what was written before its size was known: that follows it, in a descriptor. */
const STREAMED = 0x0008;

/** A file in a ZIP file that cannot be unpacked as it was packed. */
export class ZipDamage extends Error {
  constructor(
    readonly file: string,
    message: string,
  ) {
    super(message);
    this.name = 'ZipDamage';
  }
}

/** A file in a ZIP file, and where its packed bytes are. */
export interface PackedFile {
  readonly entry: ZipEntry;
  readonly at: number;
  readonly source: BundleSource;
}

const shape = (entry: ZipEntry, message: string): ZipError =>
  new ZipError('zip_shape', message, entry.name);

const isStreamed = ({ flags }: ZipEntry): boolean => (flags & STREAMED) !== 0;

/** Sizes beyond 32 bits are written with 64. */
const descriptorBytes = (entry: ZipEntry): number => {
  if (!isStreamed(entry)) return 0;
  return entry.size > LONG_MAX || entry.packed > LONG_MAX ? 24 : 16;
};

function checkHeader(entry: ZipEntry, header: Buffer): void {
  const name = header.toString('latin1', LOCAL_BYTES);
  if (header.readUInt32LE(0) !== LOCAL_SIGNATURE)
    throw shape(entry, 'it does not begin where it should');
  if (header.readUInt16LE(26) !== entry.name.length || name !== entry.name) {
    throw shape(
      entry,
      `it is named ${JSON.stringify(name)} where it begins, and otherwise in the directory`,
    );
  }
  const [flags, method] = [header.readUInt16LE(6), header.readUInt16LE(8)];
  const [crc, packed, size] = [14, 18, 22].map((at) => header.readUInt32LE(at));
  const expected = isStreamed(entry) ? [0, 0, 0] : [entry.crc, entry.packed, entry.size];
  const isSame =
    flags === entry.flags &&
    method === entry.method &&
    header.readUInt32LE(10) === entry.time &&
    VERSIONS.includes(header.readUInt16LE(4)) &&
    header.readUInt16LE(28) === 0 &&
    [crc, packed, size].every((value, index) => value === expected[index]);
  if (!isSame)
    throw shape(entry, 'it is described in two ways, where it begins and in the directory');
}

function checkDescriptor(entry: ZipEntry, descriptor: Buffer): void {
  if (descriptor.length === 0) return;
  const long = (at: number) => descriptor.readUInt32LE(at);
  const sizes =
    descriptor.length === 16
      ? [long(8), long(12)]
      : [long(8) + long(12) * 2 ** 32, long(16) + long(20) * 2 ** 32];
  const isSame =
    long(0) === DESCRIPTOR_SIGNATURE &&
    long(4) === entry.crc &&
    sizes[0] === entry.packed &&
    sizes[1] === entry.size;
  if (!isSame)
    throw shape(entry, 'it is described in two ways, where it ends and in the directory');
}

/**
 * Reads what a ZIP file holds. Every byte of it belongs to a file or to the directory, and both say the same of each file: so
 * no two programs find different files in it.
 * @throws ZipError where that is not so
 */
export async function readZipFile(source: BundleSource): Promise<PackedFile[]> {
  const { entries, at: directoryAt } = await readDirectory(source);
  const files: PackedFile[] = [];
  let next = 0;
  for (const entry of entries) {
    if (entry.offset !== next)
      throw shape(entry, 'it does not begin where the file before it ends');
    const at = next + LOCAL_BYTES + entry.name.length;
    const after = at + entry.packed;
    next = after + descriptorBytes(entry);
    if (next > directoryAt) throw shape(entry, 'it reaches into the directory');
    checkHeader(entry, await source.read(entry.offset, LOCAL_BYTES + entry.name.length));
    checkDescriptor(entry, await source.read(after, descriptorBytes(entry)));
    files.push({ entry, at, source });
  }
  if (next !== directoryAt) {
    throw new ZipError(
      'zip_shape',
      `${directoryAt - next} bytes lie between its files and its directory`,
    );
  }
  return files;
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
 * Unpacks a file as it is read; stops as soon as it is longer than it should be.
 * @throws ZipDamage where the content is not what the directory says
 */
export async function* unpack(file: PackedFile): AsyncGenerator<Buffer> {
  const { name, size, crc } = file.entry;
  let [bytes, sum] = [0, 0];
  for await (const chunk of unpacked(file)) {
    bytes += chunk.length;
    if (bytes > size) throw new ZipDamage(name, `it is longer than the ${size} bytes that it says`);
    sum = crc32(chunk, sum);
    yield chunk;
  }
  if (bytes < size) throw new ZipDamage(name, `it ends after ${bytes} of ${size} bytes`);
  if (sum !== crc)
    throw new ZipDamage(name, 'its content is not what was packed: the CRC is another');
}
