import type { Pool } from 'pg';
import { inMs, retryAt } from '../backoffStore';
import type { Backoff } from '../backoffStore';

/** A log that this process has leased for delivery, and how far its delivery has come. */
export interface ClaimedLog {
  readonly sink: string;
  readonly logId: string;
  readonly claimId: string;
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
 * a failure. No lock is held: the lease of a process that died expires by the database's clock.
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
     FROM (SELECT sink, log_id FROM event_deliveries
       WHERE sink = $1 AND next_leaf <> signed_size AND next_try_at <= now()
         AND (claimed_by IS NULL OR claimed_until < clock_timestamp())
         AND EXISTS (SELECT FROM event_feeds f WHERE f.sink = $1 AND f.next_try_at <= clock_timestamp())
       ORDER BY next_try_at LIMIT 1 FOR UPDATE SKIP LOCKED) due
     WHERE d.sink = due.sink AND d.log_id = due.log_id
     RETURNING d.log_id, d.next_leaf, d.last_hash, d.signed_size, d.failures`,
    [sink, claimId, claimMs],
  );
  const row = rows[0];
  return (
    row && {
      sink,
      claimId,
      logId: row.log_id,
      nextLeaf: Number(row.next_leaf),
      lastHash: row.last_hash,
      signedSize: Number(row.signed_size),
      failures: row.failures,
    }
  );
}

const FREE = 'claimed_by = NULL, claimed_until = NULL';
/** True while this process holds the lease and the cursor has not moved: no other process and no operator moved it. */
const OURS = 'sink = $1 AND log_id = $2 AND claimed_by = $3 AND next_leaf = $4';
const ours = ({ sink, logId, claimId, nextLeaf }: ClaimedLog) => [sink, logId, claimId, nextLeaf];

/**
 * Records that the receiver has every leaf before `next`, and releases the log, which then waits behind all others.
 * The time is truncated, because the column would round it up and the log would seem to rest.
 * @returns false if this process no longer holds the lease
 */
export async function moveCursor(
  pool: Pool,
  log: ClaimedLog,
  next: number,
  lastHash: Buffer | null,
): Promise<boolean> {
  const { rowCount } = await pool.query(
    `UPDATE event_deliveries SET next_leaf = $5, last_hash = $6, delivered_at = clock_timestamp(), failures = 0,
       last_error = NULL, next_try_at = date_trunc('milliseconds', clock_timestamp()), ${FREE} WHERE ${OURS}`,
    [...ours(log), next, lastHash],
  );
  return rowCount === 1;
}

/** Corrects the recorded size of a log, unless it was updated meanwhile, and releases the log. */
export async function correctSize(pool: Pool, log: ClaimedLog, size: number): Promise<void> {
  await pool.query(
    `UPDATE event_deliveries SET signed_size = CASE signed_size WHEN $6 THEN $5 ELSE signed_size END, ${FREE} WHERE ${OURS}`,
    [...ours(log), size, log.signedSize],
  );
}

/** Releases the log, so that other processes can have it at once. */
export async function letGo(pool: Pool, log: ClaimedLog): Promise<void> {
  await pool.query(`UPDATE event_deliveries SET ${FREE} WHERE ${OURS}`, ours(log));
}

/** Records a failure that the log's own content caused, and releases the log; the other logs go on. */
export async function noteLogFailure(
  pool: Pool,
  log: ClaimedLog,
  reason: string,
  { firstMs, mostMs, leastMs }: Backoff,
): Promise<void> {
  await pool.query(
    `UPDATE event_deliveries SET failures = failures + 1, last_error = $5, next_try_at = ${retryAt('$6', '$7', '$8')}, ${FREE}
     WHERE ${OURS}`,
    [...ours(log), reason, firstMs, mostMs, leastMs],
  );
}
