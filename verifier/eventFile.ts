import { emptyRow } from './eventRow';
import type { EventRow, RowDecoder } from './eventRow';
import { FileMeter } from './fileMeter';
import type { FileFacts } from './fileMeter';
import { ZipDamage } from './zipFile';

/**
 * The largest size of a row in bytes, far above any real event. Without it, a row that never ends
 * would fill the memory.
 */
const LONGEST_ROW = 16_777_216;

/** Called for each row with its bytes, including the line break. */
export type WatchRow = (row: EventRow, bytes: Buffer) => void;

/** A file of events that is read row by row. */
export class EventFile {
  private readonly meter: FileMeter;
  private bytes: Buffer = Buffer.alloc(0);
  private at = 0;
  private rows = 0;
  private begun = false;
  private ended = false;
  /** Why no more rows can be read, if the reason is not the end of the file. */
  failure: string | undefined;
  damage: ZipDamage | undefined;

  constructor(
    readonly name: string,
    private readonly chunks: AsyncIterator<Buffer>,
    private readonly decoder: RowDecoder,
    private readonly watch: WatchRow = () => undefined,
  ) {
    this.meter = new FileMeter(name);
  }

  get isAtEnd(): boolean {
    return this.ended && this.at >= this.bytes.length;
  }

  /**
   * Reads the next row from the bytes in memory.
   * @returns false if there is none; fill() then reads more, unless the file is at its end
   */
  next(row: EventRow): boolean {
    if (!this.begun && !this.begin()) return false;
    if (this.at >= this.bytes.length) return false;
    const end = this.decoder.decode(this.bytes, this.at, row);
    if (end < 0) return this.ended ? this.nextCutOff(row) : false;
    this.rows += 1;
    row.number = this.rows;
    this.watch(row, this.bytes.subarray(this.at, end));
    this.at = end;
    return true;
  }

  /** Reads the next piece of the file. A damaged file ends at the damage. */
  async fill(): Promise<void> {
    const rest = this.bytes.subarray(this.at);
    if (rest.length > LONGEST_ROW) this.fail('a row does not end');
    const step = await this.chunks.next().catch((error: unknown) => {
      if (!(error instanceof ZipDamage)) throw error;
      this.damage = error;
      this.at = this.bytes.length;
      return undefined;
    });
    if (step === undefined || step.done === true) {
      this.ended = true;
      return;
    }
    this.meter.add(step.value, 0);
    if (this.failure !== undefined) return;
    this.bytes = rest.length === 0 ? step.value : Buffer.concat([rest, step.value]);
    this.at = 0;
  }

  /**
   * Reads the remaining rows.
   * @returns the measured facts of the file, or undefined if it is damaged
   */
  async finish(): Promise<FileFacts | undefined> {
    const row = emptyRow();
    for (;;) {
      while (this.next(row));
      if (this.isAtEnd) break;
      await this.fill();
    }
    if (this.damage) return undefined;
    return this.meter.facts(this.failure === undefined ? this.rows : null);
  }

  private begin(): boolean {
    const { header } = this.decoder;
    if (this.bytes.length < header.length && !this.ended) return false;
    this.begun = true;
    if (this.bytes.subarray(0, header.length).equals(header)) this.at = header.length;
    else this.fail('its first record does not have the names of the columns');
    return this.failure === undefined;
  }

  private fail(message: string): void {
    this.failure ??= message;
    this.at = this.bytes.length;
  }

  private nextCutOff(row: EventRow): boolean {
    this.at = this.bytes.length;
    this.rows += 1;
    row.number = this.rows;
    row.problem = 'it is cut off: the file ends in the middle of it';
    return true;
  }
}
