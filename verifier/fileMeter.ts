import { createHash } from 'node:crypto';

/** What was found of a file when it was read. */
export interface FileFacts {
  readonly bytes: number;
  readonly sha256: string;
  /** Records, a CSV header not counted; null where they could not be told apart. */
  readonly rows: number | null;
}

const [QUOTE, LF] = [0x22, 0x0a];

/** Counts the line breaks that end records: of those within quotation marks none does. */
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

/** Measures a file while it passes. */
export class FileMeter {
  private readonly hash = createHash('sha256');
  private readonly counter: RecordCounter;
  private bytes = 0;

  constructor(private readonly name: string) {
    this.counter = new RecordCounter(name.endsWith('.csv'));
  }

  /** @param rows where whoever reads the file counts them */
  add(chunk: Buffer, rows?: number): void {
    this.hash.update(chunk);
    this.bytes += chunk.length;
    if (rows === undefined) this.counter.add(chunk);
  }

  /** To be called once, at the end. @param rows as in {@link add} */
  facts(rows?: number | null): FileFacts {
    const counted = this.counter.records - (this.name.endsWith('.csv') ? 1 : 0);
    const sha256 = this.hash.digest('hex');
    return { bytes: this.bytes, sha256, rows: rows === undefined ? Math.max(0, counted) : rows };
  }
}
