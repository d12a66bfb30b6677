import { FileMeter } from './fileMeter';
import type { FileFacts } from './fileMeter';
import { plural, say } from './inspection';
import type { Inspection } from './inspection';
import type { ListedFile } from './readManifest';
import { readWhole } from './wholeFile';
import { unpack, ZipDamage } from './zipFile';
import type { PackedFile } from './zipFile';

/**
 * The largest size in bytes of a small file that is read as a whole. A bundle's proofs are far
 * smaller.
 */
const MOST_PROOF_BYTES = 16_777_216;

/**
 * The files of a bundle. Each one is measured while it is read, and then compared with the
 * manifest.
 */
export class BundleFiles {
  private readonly facts = new Map<string, FileFacts>();
  private readonly damaged = new Set<string>();

  constructor(
    private readonly inspection: Inspection,
    private readonly packed: readonly PackedFile[],
    private readonly listed: readonly ListedFile[],
  ) {}

  find(name: string): PackedFile | undefined {
    return this.packed.find(({ entry }) => entry.name === name);
  }

  factsOf(name: string): FileFacts | undefined {
    return this.facts.get(name);
  }

  /** Records what another reader measured of a file, or that the file is damaged. */
  note(name: string, facts: FileFacts | undefined, damage: ZipDamage | undefined): void {
    if (facts) this.facts.set(name, facts);
    if (!damage) return;
    this.damaged.add(damage.file);
    const { file, message } = damage;
    this.inspection.findings.add({ kind: 'zip_damaged', file, message });
  }

  /** Reads a small file. Returns undefined if the file is missing or damaged. */
  async readSmall(name: string): Promise<Buffer | undefined> {
    const file = this.find(name);
    if (!file) return undefined;
    try {
      const bytes = await readWhole(file, MOST_PROOF_BYTES);
      const meter = new FileMeter(name);
      meter.add(bytes);
      this.facts.set(name, meter.facts());
      return bytes;
    } catch (error) {
      if (!(error instanceof ZipDamage)) throw error;
      this.note(name, undefined, error);
      return undefined;
    }
  }

  /** Measures every file that no check has read yet. */
  async measureRest(): Promise<void> {
    for (const { name } of this.listed) {
      const file = this.find(name);
      if (file && !this.facts.has(name) && !this.damaged.has(name)) await this.measure(file);
    }
  }

  private async measure(file: PackedFile): Promise<void> {
    const { name } = file.entry;
    const meter = new FileMeter(name);
    try {
      for await (const chunk of unpack(file)) meter.add(chunk);
      this.facts.set(name, meter.facts());
    } catch (error) {
      if (!(error instanceof ZipDamage)) throw error;
      this.note(name, undefined, error);
    }
  }

  /** Compares the size, SHA-256 and row count of every file with those in the manifest. */
  check(): void {
    const { inspection, listed } = this;
    const { add } = inspection.findings;
    for (const { name, bytes, sha256, rows } of listed) {
      const facts = this.facts.get(name);
      if (!facts) continue;
      if (facts.bytes !== bytes || facts.sha256 !== sha256) {
        const message = `it has ${facts.bytes} bytes and SHA-256 ${facts.sha256}, but the manifest says ${bytes} bytes and ${sha256}`;
        add({ kind: 'file_changed', file: name, message });
      }
      if (rows !== null && facts.rows !== null && facts.rows !== rows) {
        const message = `it has ${plural(facts.rows, 'row')}, but the manifest says ${rows}`;
        add({ kind: 'file_rows', file: name, message });
      }
    }
    const says = `${plural(listed.length, 'file')} match the manifest in bytes, SHA-256 and rows; none is missing, and none was added`;
    say(inspection, 'files', says);
  }
}
