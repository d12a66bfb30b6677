import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ZipArchive } from 'archiver';
import type { ManifestFile } from './bundleManifest';
import { byteMeter } from './recordStreams';
import type { RecordStream } from './recordStreams';

/** The earliest time that a ZIP entry can have. It is fixed, so that equal contents make equal entries. */
const ENTRY_DATE = new Date(Date.UTC(1980, 0, 1));

/** The manifest's entry for a file, without the values that are measured while it is written. */
type About = Omit<ManifestFile, 'bytes' | 'sha256' | 'rows'>;

/** Puts files into a ZIP, one after the other, and collects their entries for the manifest. */
export interface ArchiveFiles {
  readonly listed: readonly ManifestFile[];
  addText(about: About, text: string, rows?: number): Promise<void>;
  addRows(about: About, rows: Readable, records: RecordStream): Promise<void>;
  /** Adds a file that the manifest does not list. */
  addUnlisted(name: string, text: string): Promise<void>;
}

/** @param signal aborted when the archive is given up, so that nothing waits for it any longer */
export function createArchiveFiles(archive: ZipArchive, signal: AbortSignal): ArchiveFiles {
  const listed: ManifestFile[] = [];
  async function append(name: string, content: Buffer | Readable): Promise<void> {
    const stored = once(archive, 'entry', { signal });
    archive.append(content, { name, date: ENTRY_DATE });
    await stored;
  }
  return {
    listed,
    async addText(about, text, rows) {
      const content = Buffer.from(text);
      await append(about.name, content);
      const sha256 = createHash('sha256').update(content).digest('hex');
      listed.push({ ...about, bytes: content.length, sha256, rows: rows ?? null });
    },
    async addRows(about, rows, records) {
      const meter = byteMeter();
      await Promise.all([
        pipeline(rows, records.stream, meter.stream, { signal }),
        append(about.name, meter.stream),
      ]);
      listed.push({ ...about, ...meter.total(), rows: records.rows() });
    },
    addUnlisted: (name, text) => append(name, Buffer.from(text)),
  };
}
