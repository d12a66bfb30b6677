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

export interface ClockStep {
  readonly from: string;
  readonly to: string;
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

  /** To be told the time of sealing of each leaf, in their order. @returns how the database's clock was stepped back, where it was */
  enter(sealedAt: string): ClockStep | undefined {
    if (sealedAt === this.sealedAt) return undefined;
    this.previous = this.sealedAt;
    this.sealedAt = sealedAt;
    const { previous } = this;
    const stepped = sealedAt < previous;
    // Before the first batch the log knows of no time: what had happened by then came with it.
    this.earliest = previous === '' ? '' : shift(stepped ? sealedAt : previous, -TOLERANCE_MS);
    this.latest = shift(stepped ? previous : sealedAt, TOLERANCE_MS);
    this.soon = shift(sealedAt, -TOLERANCE_MS);
    return stepped ? { from: previous, to: sealedAt } : undefined;
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
