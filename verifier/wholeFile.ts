import { unpack, ZipDamage } from './zipFile';
import type { PackedFile } from './zipFile';

/** The largest size in bytes of a manifest or of its signature, far above any real one. */
export const MOST_MANIFEST_BYTES = 4_194_304;

/**
 * Unpacks a small file into memory.
 * @throws ZipDamage if it is damaged, or longer than `most` bytes
 */
export async function readWhole(file: PackedFile, most: number): Promise<Buffer> {
  const { name, size } = file.entry;
  if (size > most)
    throw new ZipDamage(name, `it has ${size} bytes, far more than such a file can have`);
  const chunks: Buffer[] = [];
  for await (const chunk of unpack(file)) chunks.push(chunk);
  return Buffer.concat(chunks);
}
