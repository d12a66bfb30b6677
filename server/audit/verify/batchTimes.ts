import { isSealedBehind } from '../log/sealingTime';

/** Clocks that were not quite right, and transactions that took their time, are forgiven so much. */
export const TOLERANCE_MS = 5 * 60_000;

/** A moment of this form compares as text. */
const shift = (iso: string, ms: number): string => {
  const time = Date.parse(iso);
  return Number.isNaN(time) ? '' : new Date(time + ms).toISOString();
};

/** What to know of events that a log took in late: nothing is wrong with that by itself. */
export const lateNotice = (late: number): string =>
  `${late} ${late === 1 ? 'event was' : 'events were'} sealed more than five minutes after ${late === 1 ? 'it' : 'they'} occurred.`;

/** That the clock which a log is sealed by was put back. */
export interface ClockStep {
  readonly from: string;
  /** Only in logs from before times of sealing ascended: since then, all that is known is that it was earlier. */
  readonly to: string | undefined;
}

/**
 * What the events of a log may claim about when they happened: each batch was sealed at one time, and whatever came with it
 * had happened since the batch before, or shortly before that.
 */
export class BatchTimes {
  private sealedAt = '';
  private previous = '';
  private earliest = '';
  private latest = '';
  private soon = '';
  /** Whether the clock was behind the log. */
  private isBehind = false;

  /** To be told the time of sealing of each leaf, in their order. @returns how the database's clock was stepped back, where it was */
  enter(sealedAt: string): ClockStep | undefined {
    if (sealedAt === this.sealedAt) return undefined;
    this.previous = this.sealedAt;
    this.sealedAt = sealedAt;
    const { previous, isBehind: wasBehind } = this;
    const fell = sealedAt < previous;
    this.isBehind = isSealedBehind(sealedAt, previous);
    // Before the first batch the log knows of no time, nor while the clock was behind it: what had happened by then came with it.
    const isUnknown = previous === '' || this.isBehind || wasBehind;
    this.earliest = isUnknown ? '' : shift(fell ? sealedAt : previous, -TOLERANCE_MS);
    this.latest = shift(fell ? previous : sealedAt, TOLERANCE_MS);
    this.soon = shift(sealedAt, -TOLERANCE_MS);
    if (fell) return { from: previous, to: sealedAt };
    return this.isBehind && !wasBehind ? { from: previous, to: undefined } : undefined;
  }

  /** Whether an event of the current batch had to wait for longer than usual: the sealer stood still, or its transaction stayed open. */
  isLate(occurredAt: string): boolean {
    return occurredAt < this.soon;
  }

  /** @returns what is wrong with the time that an event of the current batch claims */
  objectionTo(
    occurredAt: string,
  ): { kind: 'back_dated' | 'post_dated'; message: string } | undefined {
    if (occurredAt < this.earliest) {
      const message = `it claims ${occurredAt}, but the log had been sealed up to ${this.previous} before it came, at ${this.sealedAt}: it is back-dated (or its transaction stayed open for that long)`;
      return { kind: 'back_dated', message };
    }
    if (occurredAt > this.latest) {
      const message = `it claims ${occurredAt}, but it was sealed at ${this.sealedAt}: it is post-dated`;
      return { kind: 'post_dated', message };
    }
    return undefined;
  }
}
