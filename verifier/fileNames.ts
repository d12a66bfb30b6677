import type { Report } from './bundleFindings';
import type { Manifest } from './readManifest';
import type { PackedFile } from './zipFile';

/** The manifest does not list itself and its signature. */
const UNLISTED = ['manifest.json', 'manifest.sig'];

/**
 * The names of the files that the checks need. Without any one of them, a bundle proves nothing.
 */
export const namesOf = ({ format }: Pick<Manifest, 'format'>) => ({
  population: `audit-log.${format}`,
  edges: `audit-log-edges.${format}`,
  lines: 'leaves.txt',
  leaves: 'leaves.json',
  checkpoint: 'checkpoint.txt',
  consistency: 'consistency.json',
});

/** Checks that the files are exactly those that the manifest names: none missing, none extra. */
export function checkFileNames(
  files: readonly PackedFile[],
  manifest: Manifest,
  report: Report,
): void {
  const listed = manifest.files.map(({ name }) => name);
  const there = files.map(({ entry }) => entry.name);
  const { number, files: fixed } = manifest.bundleFormat;
  const required = fixed.map((name) => name.replace('{log}', manifest.format));
  for (const file of required.filter((name) => !listed.includes(name))) {
    const message = `the manifest does not name it, but every bundle of format ${number} has it`;
    report({ kind: 'file_required', file, message });
  }
  for (const file of listed.filter((name) => !required.includes(name))) {
    const message = `the manifest names it, but no bundle of format ${number} has it`;
    report({ kind: 'file_unknown', file, message });
  }
  for (const file of listed.filter((name) => !there.includes(name))) {
    report({ kind: 'file_missing', file, message: 'the manifest names it, but it is missing' });
  }
  const expected = [...listed, ...UNLISTED];
  for (const file of there.filter((name) => !expected.includes(name))) {
    report({
      kind: 'file_extra',
      file,
      message: 'it is in the bundle, but the manifest does not name it',
    });
  }
}

/** Returns whether the files are in the order of the manifest, as Gatehouse packs them. */
export function isInOrder(files: readonly PackedFile[], manifest: Manifest): boolean {
  const there = files.map(({ entry }) => entry.name);
  const order = [...manifest.files.map(({ name }) => name), ...UNLISTED].filter((name) =>
    there.includes(name),
  );
  const known = there.filter((name) => order.includes(name));
  return known.every((name, index) => name === order[index]);
}
