import { unpack, ZipDamage } from './zipFile';
import type { PackedFile } from './zipFile';

/** What no manifest, and no signature of one, comes near. */
export const MOST_MANIFEST_BYTES = 4_194_304;

/** Unpacks what is small. @throws ZipDamage where it is damaged, or longer than `most` */
export async function readWhole(file: PackedFile, most: number): Promise<Buffer> {
  const { name, size } = file.entry;
  if (size > most) throw new ZipDamage(name, `it is of ${size} bytes, far more than it ever has`);
  const chunks: Buffer[] = [];
  for await (const chunk of unpack(file)) chunks.push(chunk);
  return Buffer.concat(chunks);
}
