import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants } from 'node:zlib';
import { ZipArchive } from 'archiver';
import type { Deps } from '../deps';
import { writeReadme } from './bundleReadme';
import { BUNDLE_FILES, fileName } from './exportFileStore';
import type { ExportFile } from './exportFileStore';
import type { ExportFormat } from './exportInput';
import type { ExportSnapshot } from './exportStore';
import { holdBackEnd } from './holdBackEnd';
import { buildManifest, signManifest } from './manifest';
import type { ManifestFile, ManifestSubject } from './manifest';
import { byteMeter, recordStream } from './recordStreams';
import type { ExportResult } from './runExport';

type BundleDeps = Pick<Deps, 'config' | 'keys'>;

export interface Bundle {
  readonly snapshot: ExportSnapshot;
  readonly subject: ManifestSubject;
  /** The rows of the first data file, which are already on their way. */
  readonly firstRows: Readable;
  /** Records that the bundle is complete, before its last bytes are sent. */
  readonly seal: (result: ExportResult) => Promise<void>;
}

/** The earliest time that a ZIP entry can have: equal contents make equal entries. */
const ENTRY_DATE = new Date(Date.UTC(1980, 0, 1));
const ZLIB = { level: constants.Z_BEST_SPEED, chunkSize: 65_536, highWaterMark: 262_144 };

/** Appends one file and waits until it is in the archive. */
async function appendEntry(
  archive: ZipArchive,
  name: string,
  content: Buffer | Readable,
  signal: AbortSignal,
): Promise<void> {
  const stored = once(archive, 'entry', { signal });
  archive.append(content, { name, date: ENTRY_DATE });
  await stored;
}

async function appendText(
  archive: ZipArchive,
  file: { name: string; text: string; description: string },
  signal: AbortSignal,
): Promise<ManifestFile> {
  const content = Buffer.from(file.text);
  await appendEntry(archive, file.name, content, signal);
  const sha256 = createHash('sha256').update(content).digest('hex');
  const { name, description } = file;
  return { name, bytes: content.length, sha256, rows: null, description };
}

async function appendRows(
  archive: ZipArchive,
  rows: Readable,
  file: ExportFile,
  format: ExportFormat,
  signal: AbortSignal,
): Promise<ManifestFile> {
  const records = recordStream(format);
  const meter = byteMeter();
  const name = fileName(file, format);
  await Promise.all([
    pipeline(rows, records.stream, meter.stream, { signal }),
    appendEntry(archive, name, meter.stream, signal),
  ]);
  return { name, ...meter.total(), rows: records.rows(), description: file.description };
}

/** README first, for whoever opens it; the manifest last, because it holds the hashes of all others. */
async function appendAll(
  deps: BundleDeps,
  archive: ZipArchive,
  bundle: Bundle,
  signal: AbortSignal,
): Promise<ManifestFile[]> {
  const { subject, snapshot, firstRows } = bundle;
  const { format } = subject.input;
  const text = writeReadme(subject, BUNDLE_FILES);
  const description = 'What this bundle is, and how to check it.';
  const readme = await appendText(archive, { name: 'README.txt', text, description }, signal);
  const files = [readme];
  for (const [index, file] of BUNDLE_FILES.entries()) {
    const rows = index === 0 ? firstRows : snapshot.copy(file);
    files.push(await appendRows(archive, rows, file, format, signal));
  }
  await snapshot.close();
  const manifest = buildManifest(deps, subject, files);
  await appendEntry(archive, 'manifest.json', Buffer.from(manifest), signal);
  const signature = Buffer.from(signManifest(deps, manifest));
  await appendEntry(archive, 'manifest.sig', signature, signal);
  return files;
}

/**
 * Streams a bundle as a ZIP. What is in memory at any time is a few buffers, whatever the range: a slow
 * reader slows the database down.
 * @returns once the bundle was recorded as complete and its last byte handed over
 * @throws the first error of the database, the output or the compression; the output is destroyed then and
 *   what was written is no valid ZIP, because the central directory comes last
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
  const end = holdBackEnd(output, async (bytes) => bundle.seal({ files: await written, bytes }));
  const delivered = pipeline(archive, end, output);
  const written = appendAll(deps, archive, bundle, cancel.signal).then((files) => {
    // Its promise stays open where the reader has left; `delivered` tells of that.
    archive.finalize().catch(() => undefined);
    return files;
  });
  try {
    await Promise.all([written, delivered]);
  } catch (error) {
    // Never archive.abort(): it ends the archive, and so the response, as if all were well.
    archive.destroy();
    cancel.abort();
    output.destroy();
    throw error;
  }
}
