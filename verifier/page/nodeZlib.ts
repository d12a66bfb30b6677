const POLYNOMIAL = 0xedb88320;
/** How many bytes are looked up at once. */
const SLICES = 8;

/** For each slice and byte value, the effect on the sum if that many more bytes follow. */
const TABLES = makeTables();

function makeTables(): Uint32Array[] {
  const first = Uint32Array.from({ length: 256 }, (_, byte) => {
    let sum = byte;
    for (let bit = 0; bit < 8; bit += 1) sum = (sum >>> 1) ^ (sum & 1 ? POLYNOMIAL : 0);
    return sum;
  });
  const tables = [first];
  for (let slice = 1; slice < SLICES; slice += 1) {
    const before = tables[slice - 1] ?? first;
    tables.push(before.map((sum) => (sum >>> 8) ^ (first[sum & 0xff] ?? 0)));
  }
  return tables;
}

const look = (slice: number, byte: number | undefined): number =>
  TABLES[slice]?.[(byte ?? 0) & 0xff] ?? 0;

/** Returns the CRC-32 of ZIP, as node:zlib computes it. */
export function crc32(data: Uint8Array, value = 0): number {
  let sum = ~value >>> 0;
  let at = 0;
  for (; at + SLICES <= data.length; at += SLICES) {
    const low =
      sum ^
      ((data[at] ?? 0) |
        ((data[at + 1] ?? 0) << 8) |
        ((data[at + 2] ?? 0) << 16) |
        ((data[at + 3] ?? 0) << 24));
    sum =
      look(7, low) ^
      look(6, low >>> 8) ^
      look(5, low >>> 16) ^
      look(4, low >>> 24) ^
      look(3, data[at + 4]) ^
      look(2, data[at + 5]) ^
      look(1, data[at + 6]) ^
      look(0, data[at + 7]);
  }
  for (; at < data.length; at += 1) sum = (sum >>> 8) ^ look(0, sum ^ (data[at] ?? 0));
  return ~sum >>> 0;
}
