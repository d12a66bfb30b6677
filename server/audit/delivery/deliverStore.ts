import type { Pool } from 'pg';
import { sql } from 'drizzle-orm';
import type { Tx } from '../../db';
import { DELIVERED, changeLeased, inMs, unclaimed } from './leaseStore';
import type { Lease } from './leaseStore';

/** A checkpoint with its number, which gives the order of delivery. */
export interface NumberedNote {
  readonly id: number;
  readonly note: string;
}

/** The state of a sink before a turn begins. */
export interface Standing {
  readonly deliveredId: number;
  readonly deliveredNote: string | null;
  /** Whether the database still holds the checkpoint that the sink was given last. */
  readonly deliveredIsThere: boolean;
  /** The note that now has the number that was asked about; null if there is none. */
  readonly knownNote: string | null;
  readonly newestId: number;
  /** Whether the sink is due and no other process has leased it. */
  readonly isFree: boolean;
  /** Seconds since the oldest checkpoint that the sink lacks was signed. */
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

/** The third parameter of the statement must be the id of this process. */
const isFree = `(${unclaimed('d')} OR d.claimed_by = $3)
  AND d.next_try_at <= clock_timestamp()`;

/** Reads the state of a sink. It only reads, so that an idle database is not written to. */
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

/** Returns the lease of a sink, once this process holds it. */
export const leaseOf = (sink: string, processId: string): Lease => ({
  table: 'checkpoint_deliveries',
  held: { sink, claimed_by: processId },
});

/**
 * Leases a sink, unless another process has it or it is not due yet.
 * @returns whether this process now holds the lease
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
 * Records how far a sink has come, and renews the lease.
 * @returns false if another process has taken the sink meanwhile
 */
export const moveOn = (
  pool: Pool,
  lease: Lease,
  last: NumberedNote | undefined,
  claimMs: number,
): Promise<boolean> =>
  changeLeased(
    pool,
    lease,
    `delivered_id = $1, delivered_note = $2, claimed_until = ${inMs('$3')}, ${DELIVERED}`,
    [last?.id ?? 0, last?.note ?? null, claimMs],
  );

/**
 * Reads the checkpoints after a number, in order. Numbers become visible in order: the sealer assigns them under its
 * lock, which is released only once its transaction is visible. A transaction that is rolled back leaves a gap for
 * good.
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

/** A note, with the log and size that it names. */
export interface SoughtNote {
  readonly logId: string;
  readonly size: number;
  readonly note: string;
}

/** @returns a map from note to number, of those notes that the database holds unchanged */
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

/**
 * Marks a loss as reported, in the caller's transaction, which must also report it.
 * @returns false if any process has reported this loss before
 */
export async function markLossReported(tx: Tx, sink: string, noteHash: string): Promise<boolean> {
  const { rowCount } = await tx.execute(
    sql`INSERT INTO checkpoint_deliveries AS d (sink, told_lost) VALUES (${sink}, ${noteHash})
        ON CONFLICT (sink) DO UPDATE SET told_lost = excluded.told_lost WHERE d.told_lost IS DISTINCT FROM excluded.told_lost`,
  );
  return rowCount === 1;
}
