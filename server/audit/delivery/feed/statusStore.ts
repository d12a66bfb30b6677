import { sql } from 'drizzle-orm';
import type { Pool } from 'pg';
import type { Tx } from '../../../db';
import { RECOVERED, RELEASED } from '../leaseStore';

/** How far a receiver has come in one log. */
export interface LogProgress {
  readonly log: string;
  readonly tenant: string | null;
  /** The last leaf that the receiver has; null if it has none. */
  readonly deliveredUpTo: number | null;
  /** The hash of that leaf, in base64. */
  readonly deliveredHash: string | null;
  /** The number of leaves under a checkpoint. */
  readonly size: number;
  readonly behind: number;
  /** Seconds since the oldest event that the receiver lacks was sealed; null if it lacks none. */
  readonly oldestUndeliveredSec: number | null;
  readonly failures: number;
  readonly lastError: string | null;
}

interface ProgressRow {
  log_id: string;
  slug: string | null;
  next_leaf: string;
  last_hash: Buffer | null;
  size: string;
  lag_sec: number | null;
  failures: number;
  last_error: string | null;
}

/** Reads the progress in every log, those that are behind first. @param logId only this log; null for all */
export async function readProgress(
  pool: Pool,
  sink: string,
  logId: string | null,
): Promise<LogProgress[]> {
  const { rows } = await pool.query<ProgressRow>(
    `SELECT t.log_id, n.slug, coalesce(d.next_leaf, 0) AS next_leaf, d.last_hash, t.checkpoint_size AS size,
       floor(extract(epoch FROM clock_timestamp() - l.sealed_at))::float8 AS lag_sec,
       coalesce(d.failures, 0) AS failures, d.last_error
     FROM audit_trees t
     LEFT JOIN event_deliveries d ON d.sink = $1 AND d.log_id = t.log_id
     LEFT JOIN tenants n ON n.id = t.tenant_id
     LEFT JOIN audit_leaves l ON l.log_id = t.log_id AND l.leaf_index = coalesce(d.next_leaf, 0)
       AND l.leaf_index < t.checkpoint_size
     WHERE $2::uuid IS NULL OR t.log_id = $2
     ORDER BY l.sealed_at NULLS LAST, t.log_id`,
    [sink, logId],
  );
  return rows.map((row) => {
    const [next, size] = [Number(row.next_leaf), Number(row.size)];
    return {
      log: row.log_id,
      tenant: row.slug,
      deliveredUpTo: next === 0 ? null : next - 1,
      deliveredHash: row.last_hash?.toString('base64') ?? null,
      size,
      behind: Math.max(0, size - next),
      oldestUndeliveredSec: row.lag_sec,
      failures: row.failures,
      lastError: row.last_error,
    };
  });
}

/** The state of the receiver as a whole. */
export interface ReceiverState {
  readonly failures: number;
  readonly lastError: string | null;
  /** ISO 8601; null if it may be tried now. */
  readonly restsUntil: string | null;
}

/** @returns undefined if the feed has not begun */
export async function readReceiver(pool: Pool, sink: string): Promise<ReceiverState | undefined> {
  const { rows } = await pool.query<{
    failures: number;
    last_error: string | null;
    rests: Date | null;
  }>(
    `SELECT failures, last_error, CASE WHEN next_try_at > clock_timestamp() THEN next_try_at END AS rests
     FROM event_feeds WHERE sink = $1`,
    [sink],
  );
  const row = rows[0];
  return (
    row && {
      failures: row.failures,
      lastError: row.last_error,
      restsUntil: row.rests?.toISOString() ?? null,
    }
  );
}

/**
 * Sets the cursor of a log, even if a process has leased it. Ending the lease keeps a delivery under way from
 * overwriting the new cursor.
 * @returns the cursor's former place; undefined if the feed has no such log, or the log has no such leaf
 */
export async function setCursor(
  tx: Tx,
  sink: string,
  logId: string,
  to: number,
): Promise<number | undefined> {
  const { rows } = await tx.execute<{ before: string }>(
    sql`UPDATE event_deliveries d SET next_leaf = ${to}, next_try_at = now(), ${sql.raw(`${RECOVERED}, ${RELEASED}`)},
          last_hash = (SELECT leaf_hash FROM audit_leaves WHERE log_id = ${logId} AND leaf_index = ${to} - 1)
        FROM (SELECT next_leaf FROM event_deliveries WHERE sink = ${sink} AND log_id = ${logId} FOR UPDATE) was
        WHERE d.sink = ${sink} AND d.log_id = ${logId}
          AND ${to} <= (SELECT checkpoint_size FROM audit_trees WHERE log_id = ${logId})
        RETURNING was.next_leaf AS before`,
  );
  return rows[0] && Number(rows[0].before);
}
