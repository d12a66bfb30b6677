import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants } from 'node:zlib';
import { ZipArchive } from 'archiver';
import type { ComplianceDeps } from './deps';
import { createArchiveFiles } from './archiveFiles';
import type { ArchiveFiles } from './archiveFiles';
import { LOG_FILES, TABLE_FILES } from './bundleFiles';
import { writeReadme } from './bundleReadme';
import { listControls, writeControls } from './controls';
import { fileName, formatOf } from './copyStore';
import type { BundleFile, ExportFile } from './copyStore';
import type { ExportSnapshot } from './exportStore';
import type { Gathered } from './gatherBundle';
import { holdBackEnd } from './holdBackEnd';
import { buildManifest, signManifest } from './bundleManifest';
import type { ManifestSubject } from './bundleManifest';
import { lineStream, recordStream } from './recordStreams';
import type { StartedExport } from './exportPlan';
import { writeSummary } from './summaryPage';
import { TEXT_FILES } from './textFiles';

type BundleDeps = Pick<ComplianceDeps, 'config' | 'keys'>;

export interface Bundle extends StartedExport {
  readonly snapshot: ExportSnapshot;
  readonly subject: ManifestSubject;
  readonly gathered: Gathered;
}

/**
 * A compression window of 8 KiB: rows repeat content from a few rows before, and hashes repeat nothing. It takes a
 * fifth less time, for 2 % more bytes.
 */
const WINDOW = { windowBits: 13, memLevel: 9 };
const ZLIB = {
  ...{ level: constants.Z_BEST_SPEED, ...WINDOW },
  ...{ chunkSize: 65_536, highWaterMark: 262_144 },
};

async function addFile(
  files: ArchiveFiles,
  { subject, gathered, snapshot }: Bundle,
  file: ExportFile,
  rows: Readable = snapshot.copy(file),
): Promise<void> {
  const { format } = subject.input;
  const span = gathered.spans.get(file.name);
  const leaves = { firstLeaf: span?.first ?? null, lastLeaf: span?.last ?? null };
  const { description, population, actions } = file;
  const about = { description, population: { ...population, ...leaves }, actions };
  const records = recordStream(formatOf(file, format));
  await files.addRows({ name: fileName(file, format), ...about }, rows, records);
}

const asText = ({ name, description }: BundleFile) => ({ name, description, population: null });

async function addProofs(files: ArchiveFiles, { snapshot, gathered }: Bundle): Promise<void> {
  const { first, last } = snapshot.stretch;
  const ofLeaves = {
    ...asText(TEXT_FILES.leafHashes),
    population: {
      of: 'every leaf from the first to the last of this bundle',
      filter: 'none',
      firstLeaf: first,
      lastLeaf: last,
    },
  };
  await files.addRows(ofLeaves, snapshot.copyLeafHashes(), lineStream());
  const { leaves, checkpoint, consistency } = gathered.proofs;
  await files.addText(asText(TEXT_FILES.leaves), leaves);
  await files.addText(asText(TEXT_FILES.checkpoint), checkpoint);
  await files.addText(asText(TEXT_FILES.consistency), consistency);
}

/**
 * Adds all files. README comes first, for anyone who opens the bundle; the manifest comes last, because it holds the
 * hashes of all others.
 */
async function addAll(deps: BundleDeps, files: ArchiveFiles, bundle: Bundle): Promise<void> {
  const { subject, snapshot, gathered, firstRows } = bundle;
  await files.addText(asText(TEXT_FILES.readme), writeReadme(subject));
  for (const [index, file] of LOG_FILES.entries()) {
    await addFile(files, bundle, file, index === 0 ? firstRows : undefined);
  }
  await addProofs(files, bundle);
  for (const file of TABLE_FILES) await addFile(files, bundle, file);
  await snapshot.close();
  const controls = listControls(subject.input.format);
  await files.addText(asText(TEXT_FILES.controls), writeControls(controls), controls.length);
  const summary = writeSummary(subject, gathered.weeks, files.listed);
  await files.addText(asText(TEXT_FILES.summary), summary);
  const manifest = buildManifest(deps, subject, files.listed);
  await files.addUnlisted(TEXT_FILES.manifest.name, manifest);
  await files.addUnlisted(TEXT_FILES.signature.name, signManifest(deps, subject, manifest));
}

/**
 * Streams a bundle as a ZIP. Only a few buffers are in memory at any time, whatever the range: a slow reader slows
 * the database down.
 * @returns once the bundle was recorded as complete and its last byte was handed over
 * @throws the first error of the database, the output or the compression. The output is then destroyed, and what was
 * written is no valid ZIP, because the central directory comes last
 */
export async function writeBundle(
  deps: BundleDeps,
  bundle: Bundle,
  output: Writable,
): Promise<void> {
  const archive = new ZipArchive({ zlib: ZLIB });
  // The promises below report errors; a late one, after they have settled, must not end the process.
  archive.on('error', () => undefined);
  const cancel = new AbortController();
  const files = createArchiveFiles(archive, cancel.signal);
  const { size, rootHash } = bundle.subject.stretch.head;
  const checkpoint = { size, rootHash: rootHash.toString('base64') };
  const end = holdBackEnd(output, async (bytes) => {
    await written;
    await bundle.seal({ files: files.listed, bytes, checkpoint });
  });
  const delivered = pipeline(archive, end, output);
  const written = addAll(deps, files, bundle).then(() => {
    // If the reader has left, this promise never settles; `delivered` reports that.
    archive.finalize().catch(() => undefined);
  });
  try {
    await Promise.all([written, delivered]);
  } catch (error) {
    // Do not call archive.abort(): it ends the archive, and so the response, as if nothing had failed.
    archive.destroy();
    cancel.abort();
    output.destroy();
    throw error;
  }
}
