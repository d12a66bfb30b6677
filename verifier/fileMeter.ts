import { createHash } from 'node:crypto';

/** The measured facts of a file that was read. */
export interface FileFacts {
  readonly bytes: number;
  readonly sha256: string;
  /** The number of records without the CSV header; null if the records could not be separated. */
  readonly rows: number | null;
}

const [QUOTE, LF] = [0x22, 0x0a];

/** Counts the line breaks that end records. A line break within quotation marks ends none. */
class RecordCounter {
  records = 0;
  private quoted = false;

  constructor(private readonly isCsv: boolean) {}

  add(chunk: Buffer): void {
    let { quoted } = this;
    let records = 0;
    if (!this.isCsv || (!quoted && !chunk.includes(QUOTE))) {
      for (let at = chunk.indexOf(LF); at !== -1; at = chunk.indexOf(LF, at + 1)) records += 1;
    } else {
      for (let at = 0; at < chunk.length; at += 1) {
        const byte = chunk[at];
        if (byte === QUOTE) quoted = !quoted;
        else if (byte === LF && !quoted) records += 1;
      }
    }
    this.quoted = quoted;
    this.records += records;
  }
}

/** Measures a file while its bytes pass through. */
export class FileMeter {
  private readonly hash = createHash('sha256');
  private readonly counter: RecordCounter;
  private bytes = 0;

  constructor(private readonly name: string) {
    this.counter = new RecordCounter(name.endsWith('.csv'));
  }

  /** @param rows given if the reader of the file counts the rows itself */
  add(chunk: Buffer, rows?: number): void {
    this.hash.update(chunk);
    this.bytes += chunk.length;
    if (rows === undefined) this.counter.add(chunk);
  }

  /** Returns the facts. Call it once, at the end. @param rows as in {@link add} */
  facts(rows?: number | null): FileFacts {
    const counted = this.counter.records - (this.name.endsWith('.csv') ? 1 : 0);
    const sha256 = this.hash.digest('hex');
    return { bytes: this.bytes, sha256, rows: rows === undefined ? Math.max(0, counted) : rows };
  }
}
