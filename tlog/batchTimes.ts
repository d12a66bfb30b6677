import { isSealedBehind } from './sealingTime';

/** The tolerance for inaccurate clocks and slow transactions. */
export const TOLERANCE_MS = 5 * 60_000;

/** Returns a moment moved by some milliseconds, in the same form. Moments of this form compare as text. */
const shift = (iso: string, ms: number): string => {
  const time = Date.parse(iso);
  return Number.isNaN(time) ? '' : new Date(time + ms).toISOString();
};

/** Returns the notice about events that a log took in late. Lateness alone is no finding. */
export const lateNotice = (late: number): string =>
  `${late} ${late === 1 ? 'event was' : 'events were'} sealed more than five minutes after ${late === 1 ? 'it' : 'they'} occurred.`;

/** The clock that a log is sealed by was set back. */
export interface ClockStep {
  readonly from: string;
  /** Known only in logs from before sealing times ascended. Since then it is only known that the time was earlier. */
  readonly to: string | undefined;
}

/**
 * Judges the times that the events of a log claim. Each batch was sealed at one time, so its events must have
 * happened after the batch before, or shortly before that.
 */
export class BatchTimes {
  private sealedAt = '';
  private previous = '';
  private earliest = '';
  private latest = '';
  private soon = '';
  /** Whether the clock was behind the log. */
  private isBehind = false;

  /**
   * Takes the sealing time of the next leaf; call it for each leaf in order.
   * @returns how the database's clock was set back, if it was
   */
  enter(sealedAt: string): ClockStep | undefined {
    if (sealedAt === this.sealedAt) return undefined;
    this.previous = this.sealedAt;
    this.sealedAt = sealedAt;
    const { previous, isBehind: wasBehind } = this;
    const fell = sealedAt < previous;
    this.isBehind = isSealedBehind(sealedAt, previous);
    // No lower bound is known before the first batch, nor while the clock was behind the log: such a batch also holds
    // everything that had happened before.
    const isUnknown = previous === '' || this.isBehind || wasBehind;
    this.earliest = isUnknown ? '' : shift(fell ? sealedAt : previous, -TOLERANCE_MS);
    this.latest = shift(fell ? previous : sealedAt, TOLERANCE_MS);
    this.soon = shift(sealedAt, -TOLERANCE_MS);
    if (fell) return { from: previous, to: sealedAt };
    return this.isBehind && !wasBehind ? { from: previous, to: undefined } : undefined;
  }

  /**
   * Returns whether an event of the current batch waited longer than usual: the sealer stood still, or the
   * transaction stayed open.
   */
  isLate(occurredAt: string): boolean {
    return occurredAt < this.soon;
  }

  /** @returns the problem with the time that an event of the current batch claims; undefined if there is none */
  objectionTo(
    occurredAt: string,
  ): { kind: 'back_dated' | 'post_dated'; message: string } | undefined {
    if (occurredAt < this.earliest) {
      const message = `it claims ${occurredAt}, but it was sealed at ${this.sealedAt}, when the log was already sealed up to ${this.previous}: it is back-dated (or its transaction stayed open for that long)`;
      return { kind: 'back_dated', message };
    }
    if (occurredAt > this.latest) {
      const message = `it claims ${occurredAt}, but it was sealed at ${this.sealedAt}: it is post-dated`;
      return { kind: 'post_dated', message };
    }
    return undefined;
  }
}
