/**
 * A batch that was sealed while the database's clock was behind its log says this much more than the batch before. No two passes follow each other
 * so fast, so the step says that the clock was put back, and the times of sealing ascend all the same (docs/decisions/0019).
 */
const BEHIND_MS = 1;

/** A moment as it is hashed, a little later; undefined for what is no such moment. */
function stepOn(moment: string): string | undefined {
  const time = Date.parse(moment);
  return Number.isNaN(time) ? undefined : new Date(time + BEHIND_MS).toISOString();
}

/** When a log's next batch is sealed: now, but never before its last one. @param last when the last leaf of the log was sealed, if there is one */
export const sealingTime = (now: string, last: string | null): string =>
  last === null || now >= last ? now : (stepOn(last) ?? now);

/** Whether a batch was sealed by a clock that was behind its log. @param previous when the batch before was sealed, or nothing */
export const isSealedBehind = (sealedAt: string, previous: string): boolean =>
  previous !== '' && sealedAt === stepOn(previous);
