import { crc32, deflateRawSync } from 'node:zlib';

export interface RawFile {
  name: string;
  content: Buffer;
  /** 8 by default. */
  method?: number;
  /** These replace the right values in the ZIP. */
  localName?: string;
  packed?: Buffer;
  crc?: number;
  size?: number;
  flags?: number;
  localFlags?: number;
  version?: number;
  comment?: string;
  extra?: Buffer;
  /** At the start of the file; the one above is in the directory. */
  localExtra?: Buffer;
  /** Replaces the usual descriptor. */
  descriptor?: Buffer;
  madeBy?: number;
  level?: number;
  /** The directory gives the position of this other file. */
  inPlaceOf?: string;
  /** Bytes between this file and the next. */
  gap?: Buffer;
  /** These make the file missing in the directory, or wrong there. */
  attributes?: number;
  unlisted?: boolean;
  shift?: number;
}

export interface RawZip {
  before?: Buffer;
  after?: Buffer;
  comment?: string;
  /** How many files the end record counts beyond the real number. */
  more?: number;
  zip64?: boolean;
}

function number(value: number, bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at += 1) buffer[at] = Math.floor(value / 2 ** (8 * at)) % 256;
  return buffer;
}

const short = (value: number) => number(value, 2);
const long = (value: number) => number(value, 4);
const wide = (value: number) => number(value, 8);
const LONG_MAX = 0xffffffff;
const TIME = long(0x00210000);

interface Written {
  bytes: Buffer;
  central: (offset: number) => Buffer;
}

function writeFile(file: RawFile, zip64: boolean): Written {
  const { name, content, method = 8, flags = 8 } = file;
  const packed =
    file.packed ?? (method === 8 ? deflateRawSync(content, { level: file.level ?? 1 }) : content);
  const [crc, size] = [file.crc ?? crc32(content), file.size ?? content.length];
  const sums = [long(crc), long(packed.length), long(size)];
  const localName = Buffer.from(file.localName ?? name);
  const version = short(file.version ?? 20);
  const localExtra = file.localExtra ?? Buffer.alloc(0);
  const descriptor = file.descriptor ?? Buffer.concat([long(0x08074b50), ...sums]);
  const local = [
    ...[long(0x04034b50), version, short(file.localFlags ?? flags), short(method), TIME],
    ...(flags & 8 ? [long(0), long(0), long(0)] : sums),
    ...[short(localName.length), short(localExtra.length), localName, localExtra, packed],
    ...(flags & 8 ? [descriptor] : []),
    file.gap ?? Buffer.alloc(0),
  ];
  const central = (offset: number) => {
    const extra =
      file.extra ??
      (zip64
        ? Buffer.concat([short(1), short(24), wide(size), wide(packed.length), wide(offset)])
        : Buffer.alloc(0));
    const comment = Buffer.from(file.comment ?? '');
    const at = offset + (file.shift ?? 0);
    return Buffer.concat([
      ...[
        long(0x02014b50),
        short(file.madeBy ?? 0x032d),
        version,
        short(flags),
        short(method),
        TIME,
        long(crc),
      ],
      ...(zip64 ? [long(LONG_MAX), long(LONG_MAX)] : [long(packed.length), long(size)]),
      ...[short(Buffer.byteLength(name)), short(extra.length), short(comment.length)],
      ...[short(0), short(0), long(file.attributes ?? 0x81a40020), long(zip64 ? LONG_MAX : at)],
      ...[Buffer.from(name), extra, comment],
    ]);
  };
  return { bytes: Buffer.concat(local), central };
}

/** Writes a ZIP file byte by byte, with the requested faults. Entries are streamed by default. */
export function writeZip(files: readonly RawFile[], options: RawZip = {}): Buffer {
  const { zip64 = false } = options;
  const parts = [options.before ?? Buffer.alloc(0)];
  const central: Buffer[] = [];
  let offset = parts[0]?.length ?? 0;
  const offsets = new Map<string, number>();
  for (const file of files) {
    const written = writeFile(file, zip64);
    const other = offsets.get(file.inPlaceOf ?? '');
    if (other !== undefined) {
      central.push(written.central(other));
      continue;
    }
    offsets.set(file.name, offset);
    if (!file.unlisted) central.push(written.central(offset));
    parts.push(written.bytes);
    offset += written.bytes.length;
  }
  const directory = Buffer.concat(central);
  const count = central.length + (options.more ?? 0);
  const end64 = [
    ...[long(0x06064b50), wide(44), short(45), short(45), long(0), long(0)],
    ...[wide(count), wide(count), wide(directory.length), wide(offset)],
    ...[long(0x07064b50), long(0), wide(offset + directory.length), long(1)],
  ];
  const totals = zip64
    ? [short(0xffff), short(0xffff), long(LONG_MAX), long(LONG_MAX)]
    : [short(count), short(count), long(directory.length), long(offset)];
  const comment = Buffer.from(options.comment ?? '', 'latin1');
  const end = [long(0x06054b50), short(0), short(0), ...totals, short(comment.length), comment];
  return Buffer.concat([
    ...[...parts, directory, ...(zip64 ? end64 : []), ...end],
    options.after ?? Buffer.alloc(0),
  ]);
}
