import type { EventFile } from './eventFile';
import { emptyRow } from './eventRow';
import type { EventRow } from './eventRow';
import type { Report } from './findings';

/** What a walk does with a row that is not in its place. */
export interface StrayRows {
  /** A row of a leaf that was passed. */
  late(file: string, row: EventRow): void;
  /** A row of a leaf that is yet to come, before rows of leaves that come sooner. */
  early(file: string, row: EventRow): void;
}

/** One of the two files that a stretch is made of: gives its rows by ascending leaves, and puts aside what does not ascend. */
export class LogSide {
  private now = emptyRow();
  private following = emptyRow();
  private hasNow = false;
  private hasFollowing = false;
  private last = -1;
  /** The leaves of the first row and the last. */
  span: { first: number; last: number } | undefined;

  constructor(
    readonly file: EventFile,
    readonly isRange: boolean,
    private readonly stretch: { readonly first: number; readonly last: number },
    private readonly strays: StrayRows,
    private readonly report: Report,
  ) {}

  /** The row that is due; undefined at the end. Good until the next call of {@link take}. */
  get row(): EventRow | undefined {
    return this.hasNow ? this.now : undefined;
  }

  take(): void {
    this.last = this.now.leaf;
    this.hasNow = false;
  }

  /** Makes the next row the one that is due. @returns false where that takes more of the file */
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
      const message = `it names leaf ${leaf}, and the bundle covers leaves ${stretch.first} to ${stretch.last}`;
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
