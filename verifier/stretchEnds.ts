import { TOLERANCE_MS } from '../tlog/batchTimes';
import type { Manifest } from './readManifest';

/** Returns the time that is `ms` milliseconds later. */
export const shift = (iso: string, ms: number): string =>
  new Date(Date.parse(iso) + ms).toISOString();

/**
 * Checks that a stretch takes in its whole range (docs/decisions/0019). Each end must be an end of
 * the log, or must have been sealed so long before or after the range that an event of the range
 * beyond it would be reported as post-dated or back-dated.
 */
export class StretchEnds {
  /** No event that was sealed before this time occurred after the range began. */
  private readonly opened: string;
  /**
   * A batch that follows one sealed at or after this time has no event that occurred before the
   * range ended.
   */
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

  /**
   * Call it for the first leaf of each batch. A batch consists of the events that were sealed at
   * the same time.
   */
  enter(leaf: number, sealedAt: string): void {
    this.sealedAt = sealedAt;
    this.batch = leaf;
    if (sealedAt >= this.settled) this.settledBatch ??= leaf;
  }

  /**
   * @returns the reasons why a leaf of the current batch cannot be an end of the stretch, if it is
   *   one
   */
  objectionsTo(leaf: number): string[] {
    const { first, last, size } = this.manifest.log;
    const { sealedAt, opened } = this;
    const objections: string[] = [];
    if (leaf === first && first > 0 && sealedAt >= opened) {
      objections.push(
        `the bundle begins with this leaf, but it was sealed at ${sealedAt}, not before ${opened}: events of the range may lie before it`,
      );
    }
    const open = leaf === last && last < size - 1 ? this.objectionToEnd(leaf) : undefined;
    if (open !== undefined) {
      objections.push(
        `the bundle ends with this leaf, but ${open}: events of the range may lie after it`,
      );
    }
    return objections;
  }

  private objectionToEnd(leaf: number): string | undefined {
    const { sealedAt, settled, settledBatch, batch } = this;
    if (sealedAt < settled) return `it was sealed at ${sealedAt}, before ${settled}`;
    if (!this.manifest.bundleFormat.endsBehindBatch) return undefined;
    if (settledBatch === batch) {
      return `it belongs to the first batch that was sealed after ${settled}, at ${sealedAt}, which may contain late events`;
    }
    return leaf === batch ? undefined : `it is not the first of its batch, sealed at ${sealedAt}`;
  }
}
