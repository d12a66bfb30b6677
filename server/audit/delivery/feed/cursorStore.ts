import type { Pool } from 'pg';
import { DELIVERED, RELEASED, changeLeased, inMs, unclaimed } from '../leaseStore';
import type { Lease } from '../leaseStore';

/** A log that this process has leased for delivery, and how far its delivery has come. */
export interface ClaimedLog {
  /** It ends as soon as the cursor is moved, be it by this process or by an operator. */
  readonly lease: Lease;
  readonly logId: string;
  readonly nextLeaf: number;
  readonly lastHash: Buffer | null;
  readonly signedSize: number;
  readonly failures: number;
}

interface ClaimRow {
  log_id: string;
  next_leaf: string;
  last_hash: Buffer | null;
  signed_size: string;
  failures: number;
}

/**
 * Leases the log that has waited longest, of those that have events for the receiver, unless the receiver rests after
 * a failure.
 * @param claimId unique to this lease
 * @returns undefined if no log is due
 */
export async function claimLog(
  pool: Pool,
  sink: string,
  claimId: string,
  claimMs: number,
): Promise<ClaimedLog | undefined> {
  const { rows } = await pool.query<ClaimRow>(
    `UPDATE event_deliveries d SET claimed_by = $2, claimed_until = ${inMs('$3')}
     FROM (SELECT sink, log_id FROM event_deliveries e
       WHERE sink = $1 AND next_leaf <> signed_size AND next_try_at <= now()
         AND ${unclaimed('e')}
         AND EXISTS (SELECT FROM event_feeds f WHERE f.sink = $1 AND f.next_try_at <= clock_timestamp())
       ORDER BY next_try_at LIMIT 1 FOR UPDATE SKIP LOCKED) due
     WHERE d.sink = due.sink AND d.log_id = due.log_id
     RETURNING d.log_id, d.next_leaf, d.last_hash, d.signed_size, d.failures`,
    [sink, claimId, claimMs],
  );
  const row = rows[0];
  if (!row) return undefined;
  const [logId, nextLeaf] = [row.log_id, Number(row.next_leaf)];
  const held = { sink, log_id: logId, claimed_by: claimId, next_leaf: nextLeaf };
  return {
    lease: { table: 'event_deliveries', held },
    logId,
    nextLeaf,
    lastHash: row.last_hash,
    signedSize: Number(row.signed_size),
    failures: row.failures,
  };
}

/**
 * Records that the receiver has every leaf before `next`, and releases the log, which then waits behind all others.
 * The time is truncated, because the column would round it up and the log would seem to rest.
 * @returns false if this process no longer holds the lease
 */
export const moveCursor = (
  pool: Pool,
  { lease }: ClaimedLog,
  next: number,
  lastHash: Buffer | null,
): Promise<boolean> =>
  changeLeased(
    pool,
    lease,
    `next_leaf = $1, last_hash = $2, next_try_at = date_trunc('milliseconds', clock_timestamp()), ${DELIVERED}, ${RELEASED}`,
    [next, lastHash],
  );

/** Corrects the recorded size of a log, unless it was updated meanwhile, and releases the log. */
export async function correctSize(
  pool: Pool,
  { lease, signedSize }: ClaimedLog,
  size: number,
): Promise<void> {
  const corrected = 'signed_size = CASE signed_size WHEN $2 THEN $1 ELSE signed_size END';
  await changeLeased(pool, lease, `${corrected}, ${RELEASED}`, [size, signedSize]);
}
