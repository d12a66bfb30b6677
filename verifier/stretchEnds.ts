import { TOLERANCE_MS } from '../server/audit/verify/batchTimes';
import type { Manifest } from './manifest';

/** A moment, so many milliseconds later. */
export const shift = (iso: string, ms: number): string =>
  new Date(Date.parse(iso) + ms).toISOString();

/**
 * Whether a stretch takes in all of its range (docs/decisions/0019): its ends are the log's own, or were sealed so long before and
 * after the range that an event of it beyond them would be told of as post-dated or back-dated.
 */
export class StretchEnds {
  /** Nothing that was sealed before it occurred after the range began. */
  private readonly opened: string;
  /** A batch after one that was sealed from here on has nothing that occurred before the range ended. */
  private readonly settled: string;
  private sealedAt = '';
  private batch = -1;
  /** The first leaf of the first batch that was sealed after the range was settled. */
  private settledBatch: number | undefined;

  constructor(
    private readonly manifest: Manifest,
    { start, end }: { readonly start: string; readonly end: string },
  ) {
    this.opened = manifest.bundleFormat.endsBehindBatch ? shift(start, -TOLERANCE_MS) : start;
    this.settled = shift(end, TOLERANCE_MS);
  }

  /** To be told of the first leaf of each batch: what was sealed at one time. */
  enter(leaf: number, sealedAt: string): void {
    this.sealedAt = sealedAt;
    this.batch = leaf;
    if (sealedAt >= this.settled) this.settledBatch ??= leaf;
  }

  /** @returns what is wrong with a leaf of the current batch as an end of the stretch, if it is one */
  objectionsTo(leaf: number): string[] {
    const { first, last, size } = this.manifest.log;
    const { sealedAt, opened } = this;
    const objections: string[] = [];
    if (leaf === first && first > 0 && sealedAt >= opened) {
      objections.push(
        `the bundle begins with this leaf, and it was sealed at ${sealedAt}, not before ${opened}: events of the range may lie before it`,
      );
    }
    const open = leaf === last && last < size - 1 ? this.objectionToEnd(leaf) : undefined;
    if (open !== undefined) {
      objections.push(
        `the bundle ends with this leaf, and ${open}: events of the range may lie after it`,
      );
    }
    return objections;
  }

  private objectionToEnd(leaf: number): string | undefined {
    const { sealedAt, settled, settledBatch, batch } = this;
    if (sealedAt < settled) return `it was sealed at ${sealedAt}, before ${settled}`;
    if (!this.manifest.bundleFormat.endsBehindBatch) return undefined;
    if (settledBatch === batch) {
      return `it is of the first batch that was sealed after ${settled}, at ${sealedAt}, which may hold what came late`;
    }
    return leaf === batch ? undefined : `it is not the first of its batch, sealed at ${sealedAt}`;
  }
}
