import type { BundleFolder, BundleSource } from './bundleSource';
import { FORMATS } from './formats';
import { isLitter, readZipFile } from './zipFile';
import type { Container } from './zipFile';

/** A bundle as it is handed over: a ZIP file, or the folder into which it was unpacked. */
export type Bundle = BundleSource | BundleFolder;

export const isFolder = (bundle: Bundle): bundle is BundleFolder => 'files' in bundle;

const NAMES = new Set([
  'manifest.json',
  'manifest.sig',
  ...FORMATS.flatMap(({ files }) => files).flatMap((name) =>
    ['csv', 'jsonl'].map((extension) => name.replace('{log}', extension)),
  ),
]);

/**
 * Returns whether a file of a folder can belong to a bundle. Nobody has signed any other file
 * there.
 */
export const isBundleFile = (name: string): boolean => NAMES.has(name);

function openFolder({ files, others }: BundleFolder): Container {
  const packed = files.map((source) => {
    const { name, size } = source;
    return { entry: { name, size, packed: size, method: 0, crc: undefined }, at: 0, source };
  });
  return {
    files: packed,
    isRepacked: true,
    litter: others.filter(isLitter),
    others: others.filter((name) => !isLitter(name)),
  };
}

/** Opens a bundle. @throws ZipError if it is a ZIP file that could be read in two ways */
export const openContainer = async (bundle: Bundle): Promise<Container> =>
  isFolder(bundle) ? openFolder(bundle) : readZipFile(bundle);
