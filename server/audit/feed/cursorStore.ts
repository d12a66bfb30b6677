import type { Pool } from 'pg';
import { inMs, retryAt } from '../log/backoffStore';
import type { Backoff } from '../log/backoffStore';

/** A log that is ours to deliver for a while, and how far it has come. */
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
 * Takes the log that has waited longest of those that have something for the receiver, unless the receiver rests. No lock is held: what
 * a dead process had claimed runs out by the database's clock.
 * @param claimId of this claim alone
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
/** Still ours, and where it was: neither another process nor an operator has moved it meanwhile. */
const OURS = 'sink = $1 AND log_id = $2 AND claimed_by = $3 AND next_leaf = $4';
const ours = ({ sink, logId, claimId, nextLeaf }: ClaimedLog) => [sink, logId, claimId, nextLeaf];

/**
 * Notes that the receiver has every leaf before `next`, and lets the log go, behind all others that wait. The column would round the
 * time up, and the log would seem to rest.
 * @returns false where it is not ours any more
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

/** Corrects what the feed knows of a log's size, unless it has learned better meanwhile, and lets the log go. */
export async function correctSize(pool: Pool, log: ClaimedLog, size: number): Promise<void> {
  await pool.query(
    `UPDATE event_deliveries SET signed_size = CASE signed_size WHEN $6 THEN $5 ELSE signed_size END, ${FREE} WHERE ${OURS}`,
    [...ours(log), size, log.signedSize],
  );
}

/** Lets others have the log at once. */
export async function letGo(pool: Pool, log: ClaimedLog): Promise<void> {
  await pool.query(`UPDATE event_deliveries SET ${FREE} WHERE ${OURS}`, ours(log));
}

/** Lets go of a log that could not be delivered for what is in it; the others go on. */
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
