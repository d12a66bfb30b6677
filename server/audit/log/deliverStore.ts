import type { Pool } from 'pg';
import { sql } from 'drizzle-orm';
import type { Tx } from '../../db';
import { inMs, retryAt } from './backoffStore';
import type { Backoff } from './backoffStore';

/** A checkpoint by its number, which says the order. */
export interface NumberedNote {
  readonly id: number;
  readonly note: string;
}

/** What there is to know of a sink before anything is done for it. */
export interface Standing {
  readonly deliveredId: number;
  readonly deliveredNote: string | null;
  /** Whether the database still holds what the sink was given last. */
  readonly deliveredIsThere: boolean;
  /** The note that has this number now, of the checkpoint that was asked about. */
  readonly knownNote: string | null;
  readonly newestId: number;
  /** Whether it is due, and nobody else has it. */
  readonly isFree: boolean;
  /** Since the oldest checkpoint that the sink lacks was signed. */
  readonly lagSec: number;
}

interface StandingRow {
  delivered_id: string | null;
  delivered_note: string | null;
  delivered_is_there: boolean;
  known_note: string | null;
  newest_id: string | null;
  is_free: boolean;
  lag_sec: number | null;
}

/** For the process that is the third parameter. */
const isFree = `(d.claimed_by IS NULL OR d.claimed_by = $3 OR d.claimed_until < clock_timestamp())
  AND d.next_try_at <= clock_timestamp()`;

/** Reads alone, so that looking does not write to an idle database. */
export async function readStanding(
  pool: Pool,
  sink: string,
  processId: string,
  knownId: number | undefined,
): Promise<Standing> {
  const { rows } = await pool.query<StandingRow>(
    `SELECT d.delivered_id, d.delivered_note, d.delivered_note IS NULL OR d.delivered_note = c.note IS TRUE AS delivered_is_there,
       (SELECT note FROM audit_checkpoints WHERE id = $2) AS known_note,
       (SELECT max(id) FROM audit_checkpoints) AS newest_id,
       d.sink IS NULL OR (${isFree}) AS is_free,
       (SELECT extract(epoch FROM clock_timestamp() - signed_at)::float8 FROM audit_checkpoints
        WHERE id > coalesce(d.delivered_id, 0) ORDER BY id LIMIT 1) AS lag_sec
     FROM (VALUES ($1)) AS asked (sink)
     LEFT JOIN checkpoint_deliveries d ON d.sink = asked.sink
     LEFT JOIN audit_checkpoints c ON c.id = d.delivered_id`,
    [sink, knownId ?? null, processId],
  );
  const row = rows[0] as StandingRow;
  return {
    deliveredId: Number(row.delivered_id ?? 0),
    deliveredNote: row.delivered_note,
    deliveredIsThere: row.delivered_is_there,
    knownNote: row.known_note,
    newestId: Number(row.newest_id ?? 0),
    isFree: row.is_free,
    lagSec: Math.max(0, row.lag_sec ?? 0),
  };
}

/**
 * Takes a sink for a while, by the database's clock, unless another process has it or it is not due again yet. No lock
 * is held: a process that dies lets go by the passing of time, behind a pooler too.
 * @returns whether it is ours
 */
export async function claimSink(
  pool: Pool,
  sink: string,
  processId: string,
  claimMs: number,
): Promise<boolean> {
  const { rowCount } = await pool.query(
    `INSERT INTO checkpoint_deliveries AS d (sink, claimed_by, claimed_until) VALUES ($1, $3, ${inMs('$2')})
     ON CONFLICT (sink) DO UPDATE SET claimed_by = excluded.claimed_by, claimed_until = excluded.claimed_until
       WHERE ${isFree}`,
    [sink, claimMs, processId],
  );
  return rowCount === 1;
}

/**
 * Notes how far a sink has come, and keeps it for another while.
 * @returns false where another process has it by now
 */
export async function moveOn(
  pool: Pool,
  sink: string,
  processId: string,
  last: NumberedNote | undefined,
  claimMs: number,
): Promise<boolean> {
  const { rowCount } = await pool.query(
    `UPDATE checkpoint_deliveries SET delivered_id = $3, delivered_note = $4, delivered_at = clock_timestamp(),
       claimed_until = ${inMs('$5')}, failures = 0, last_error = NULL
     WHERE sink = $1 AND claimed_by = $2`,
    [sink, processId, last?.id ?? 0, last?.note ?? null, claimMs],
  );
  return rowCount === 1;
}

/** Lets others have the sink at once. */
export async function letGo(pool: Pool, sink: string, processId: string): Promise<void> {
  await pool.query(
    'UPDATE checkpoint_deliveries SET claimed_by = NULL, claimed_until = NULL WHERE sink = $1 AND claimed_by = $2',
    [sink, processId],
  );
}

/** Lets go of a sink that did not take what it was given; no process tries it again before its time. */
export async function noteFailure(
  pool: Pool,
  sink: string,
  processId: string,
  reason: string,
  { firstMs, mostMs, leastMs }: Backoff,
): Promise<void> {
  await pool.query(
    `UPDATE checkpoint_deliveries SET failures = failures + 1, last_error = $3,
       next_try_at = ${retryAt('$4', '$5', '$6')},
       claimed_by = NULL, claimed_until = NULL
     WHERE sink = $1 AND claimed_by = $2`,
    [sink, processId, reason, firstMs, mostMs, leastMs],
  );
}

/**
 * Checkpoints after a number, in their order. Numbers become visible in order: they are given out under the sealer's
 * lock, which is let go of when its transaction is visible. A transaction that is rolled back leaves a gap for good.
 */
export async function readCheckpointsAfter(
  pool: Pool,
  id: number,
  most: number,
): Promise<NumberedNote[]> {
  const { rows } = await pool.query<{ id: string; note: string }>(
    'SELECT id, note FROM audit_checkpoints WHERE id > $1 ORDER BY id LIMIT $2',
    [id, most],
  );
  return rows.map((row) => ({ id: Number(row.id), note: row.note }));
}

/** A note, and what it says of itself. */
export interface SoughtNote {
  readonly logId: string;
  readonly size: number;
  readonly note: string;
}

/** @returns the numbers of those that the database holds as they are, by their notes */
export async function findNotes(
  pool: Pool,
  notes: readonly SoughtNote[],
): Promise<Map<string, number>> {
  const { rows } = await pool.query<{ id: string; note: string }>(
    `SELECT c.id, c.note FROM unnest($1::uuid[], $2::bigint[], $3::text[]) AS sought (log_id, size, note)
     JOIN audit_checkpoints c USING (log_id, size, note)`,
    [notes.map(({ logId }) => logId), notes.map(({ size }) => size), notes.map(({ note }) => note)],
  );
  return new Map(rows.map((row) => [row.note, Number(row.id)]));
}

/** @returns whether this loss was not told yet, by whatever process: the caller's transaction tells it */
export async function markLossTold(tx: Tx, sink: string, noteHash: string): Promise<boolean> {
  const { rowCount } = await tx.execute(
    sql`INSERT INTO checkpoint_deliveries AS d (sink, told_lost) VALUES (${sink}, ${noteHash})
        ON CONFLICT (sink) DO UPDATE SET told_lost = excluded.told_lost WHERE d.told_lost IS DISTINCT FROM excluded.told_lost`,
  );
  return rowCount === 1;
}
