/**
 * If the database's clock is behind the log, a batch is stamped this much later than the batch before it. Real passes
 * never follow each other this closely, so the step shows that the clock was set back, and the times of sealing still
 * ascend (docs/decisions/0019).
 */
const BEHIND_MS = 1;

/** Returns a moment, in the form that is hashed, plus the step; undefined if the text is no such moment. */
function stepOn(moment: string): string | undefined {
  const time = Date.parse(moment);
  return Number.isNaN(time) ? undefined : new Date(time + BEHIND_MS).toISOString();
}

/**
 * Returns the sealing time of a log's next batch: now, but never before its last one.
 * @param last when the log's last leaf was sealed; null if it has none
 */
export const sealingTime = (now: string, last: string | null): string =>
  last === null || now >= last ? now : (stepOn(last) ?? now);

/**
 * Returns whether a batch was sealed while the clock was behind its log.
 * @param previous when the batch before was sealed; empty if there is none
 */
export const isSealedBehind = (sealedAt: string, previous: string): boolean =>
  previous !== '' && sealedAt === stepOn(previous);
