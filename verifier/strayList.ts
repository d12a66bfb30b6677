import type { EventRow } from './eventRow';
import type { Report } from './bundleFindings';
import type { StrayRows } from './logSide';

/**
 * The number of rows and of leaves that are kept. Beyond it, a moved row may be reported as
 * missing.
 */
const MOST_KEPT = 10_000;

interface Kept {
  readonly file: string;
  readonly number: number;
  readonly id: string;
  readonly hash: Buffer;
}

/**
 * Collects leaves without a row in its place, and rows whose leaf is elsewhere. A row that was
 * moved is both.
 */
export class StrayList implements StrayRows {
  /** The missing leaves. The value is the hash that the row should have, if that is known. */
  private readonly missing = new Map<number, Buffer | undefined>();
  private readonly ahead = new Map<number, Kept>();
  private uncounted = 0;

  constructor(private readonly report: Report) {}

  late(file: string, { leaf, number, id, hash }: EventRow): void {
    const row = { file, number, id, hash };
    if (!this.missing.has(leaf)) this.reportDoubled(leaf, row);
    else {
      const expected = this.missing.get(leaf);
      this.missing.delete(leaf);
      this.reportMoved(leaf, row, expected);
    }
  }

  early(file: string, { leaf, number, id, hash }: EventRow): void {
    const row = { file, number, id, hash };
    if (this.ahead.has(leaf)) this.reportDoubled(leaf, row);
    else if (this.ahead.size < MOST_KEPT) this.ahead.set(leaf, row);
    else this.reportMoved(leaf, row, undefined);
  }

  /** Call it for each leaf that has a row in its place. */
  found(leaf: number): void {
    if (this.ahead.size === 0) return;
    const row = this.ahead.get(leaf);
    if (!row) return;
    this.ahead.delete(leaf);
    this.reportDoubled(leaf, row);
  }

  /**
   * Call it for each leaf that has none.
   * @returns the hash of its event, if its row came too early
   */
  lacks(leaf: number, expected: Buffer | undefined): Buffer | undefined {
    const row = this.ahead.get(leaf);
    if (row) {
      this.ahead.delete(leaf);
      this.reportMoved(leaf, row, expected);
      return row.hash;
    }
    if (this.missing.size < MOST_KEPT) this.missing.set(leaf, expected);
    else this.uncounted += 1;
    return undefined;
  }

  /** Reports every leaf that has no row at all. */
  end(): void {
    let run: { first: number; last: number } | undefined;
    for (const leaf of [...this.missing.keys(), Infinity]) {
      if (run && leaf === run.last + 1) run.last = leaf;
      else {
        if (run) this.reportMissing(run);
        run = { first: leaf, last: leaf };
      }
    }
    if (this.uncounted === 0) return;
    const message = `${this.uncounted} more leaves have no row`;
    this.report({ kind: 'event_missing', message });
  }

  private reportMissing({ first, last }: { first: number; last: number }): void {
    const message =
      first === last
        ? 'no row shows its event: it was left out, or its row cannot be read'
        : `no rows show the events of leaves ${first} to ${last}: they were left out, or their rows cannot be read`;
    this.report({ kind: 'event_missing', leaf: first, message });
  }

  private reportDoubled(leaf: number, { file, number: row, id: event }: Kept): void {
    const message = 'another row has the same leaf';
    this.report({ kind: 'row_doubled', file, row, leaf, event, message });
  }

  private reportMoved(
    leaf: number,
    { file, number: row, id: event, hash }: Kept,
    expected?: Buffer,
  ) {
    const message = 'it is not at its position: rows must be in the order of their leaves';
    this.report({ kind: 'row_order', file, row, leaf, event, message });
    if (!expected || expected.equals(hash)) return;
    const changed = 'it differs from the event that was sealed';
    this.report({ kind: 'event_changed', file, row, leaf, event, message: changed });
  }
}
