import type { EventFile } from './eventFile';
import { emptyRow } from './eventRow';
import type { EventRow } from './eventRow';
import type { Report } from './bundleFindings';

/** Receives the rows that are not in their place. */
export interface StrayRows {
  /** Called for a row whose leaf was already passed. */
  late(file: string, row: EventRow): void;
  /** Called for a row that stands too early: rows of lower leaves follow it. */
  early(file: string, row: EventRow): void;
}

/**
 * One of the two files that a stretch consists of. It returns the rows by ascending leaf, and sorts
 * out those that break the order.
 */
export class LogSide {
  private now = emptyRow();
  private following = emptyRow();
  private hasNow = false;
  private hasFollowing = false;
  private last = -1;
  /** The leaves of the first row and of the last row. */
  span: { first: number; last: number } | undefined;

  constructor(
    readonly file: EventFile,
    readonly isRange: boolean,
    private readonly stretch: { readonly first: number; readonly last: number },
    private readonly strays: StrayRows,
    private readonly report: Report,
  ) {}

  /** The current row, or undefined at the end. It is valid until the next call of {@link take}. */
  get row(): EventRow | undefined {
    return this.hasNow ? this.now : undefined;
  }

  take(): void {
    this.last = this.now.leaf;
    this.hasNow = false;
  }

  /** Makes the next row the current one. @returns false if more of the file must be read first */
  settle(): boolean {
    for (;;) {
      if (!this.hasNow && this.hasFollowing) {
        [this.now, this.following] = [this.following, this.now];
        [this.hasNow, this.hasFollowing] = [true, false];
      }
      if (!this.hasNow) {
        this.hasNow = this.file.next(this.now);
        if (!this.hasNow) return this.file.isAtEnd;
      }
      if (!this.hasFollowing) {
        this.hasFollowing = this.file.next(this.following);
        if (!this.hasFollowing && !this.file.isAtEnd) return false;
      }
      if (this.isInPlace()) return true;
      this.hasNow = false;
    }
  }

  private isInPlace(): boolean {
    const { now, following, last, file, stretch } = this;
    const { number: row, leaf, id: event } = now;
    if (now.problem !== undefined) {
      this.report({ kind: 'row_malformed', file: file.name, row, message: now.problem });
      return false;
    }
    this.span = { first: this.span?.first ?? leaf, last: leaf };
    if (leaf < stretch.first || leaf > stretch.last) {
      const message = `it names leaf ${leaf}, but the bundle covers leaves ${stretch.first} to ${stretch.last}`;
      this.report({ kind: 'row_outside', file: file.name, row, leaf, event, message });
      return false;
    }
    if (leaf <= last) {
      this.strays.late(file.name, now);
      return false;
    }
    const isAhead =
      this.hasFollowing &&
      following.problem === undefined &&
      following.leaf < leaf &&
      following.leaf > last;
    if (isAhead) this.strays.early(file.name, now);
    return !isAhead;
  }
}
