import { sql } from 'drizzle-orm';
import type { Pool } from 'pg';
import type { Tx } from '../../../db';
import { RECOVERED, failed } from '../leaseStore';
import type { Failure } from '../leaseStore';

/** A leaf, identified by its place and its hash. */
export interface NamedLeaf {
  readonly logId: string;
  readonly leafIndex: number;
  readonly leafHash: Buffer;
}

/** The state of a feed before a turn begins. */
export interface FeedView {
  readonly begun: boolean;
  readonly seenCheckpoint: number;
  readonly newestCheckpoint: number;
  /** Whether the last delivery failed, from whatever process. */
  readonly failing: boolean;
  /** Whether the receiver may be tried now. */
  readonly isFree: boolean;
  /** Whether the log still has the leaf that was asked about; true if none was. */
  readonly knownIsThere: boolean;
}

interface ViewRow {
  begun: boolean;
  seen: string;
  newest: string;
  failing: boolean;
  is_free: boolean;
  known_is_there: boolean;
}

/**
 * Reads the state of a feed. It only reads, and the same few rows however many logs there are, so it costs an idle
 * database almost nothing.
 */
export async function readFeed(
  pool: Pool,
  sink: string,
  known: NamedLeaf | undefined,
): Promise<FeedView> {
  const { rows } = await pool.query<ViewRow>(
    `SELECT f.sink IS NOT NULL AS begun, coalesce(f.seen_checkpoint, 0) AS seen,
       coalesce((SELECT max(id) FROM audit_checkpoints), 0) AS newest,
       coalesce(f.failures, 0) > 0 AS failing,
       f.sink IS NULL OR f.next_try_at <= clock_timestamp() AS is_free,
       $2::uuid IS NULL OR EXISTS (
         SELECT FROM audit_leaves WHERE log_id = $2 AND leaf_index = $3 AND leaf_hash = $4) AS known_is_there
     FROM (VALUES ($1)) AS asked (sink) LEFT JOIN event_feeds f ON f.sink = asked.sink`,
    [sink, known?.logId ?? null, known?.leafIndex ?? null, known?.leafHash ?? null],
  );
  const row = rows[0] as ViewRow;
  return {
    begun: row.begun,
    seenCheckpoint: Number(row.seen),
    newestCheckpoint: Number(row.newest),
    failing: row.failing,
    isFree: row.is_free,
    knownIsThere: row.known_is_there,
  };
}

/**
 * Creates a feed that does not exist yet, and a cursor in each existing log: at its beginning, or after the leaves
 * that a checkpoint covers now. It is one statement and so sees one moment: a log that is missing here gets its first
 * checkpoint later.
 */
export async function beginFeed(pool: Pool, sink: string, fromNow: boolean): Promise<void> {
  await pool.query(
    `WITH feed AS (
       INSERT INTO event_feeds (sink, seen_checkpoint)
       SELECT $1, coalesce(max(id), 0) FROM audit_checkpoints ON CONFLICT (sink) DO NOTHING RETURNING sink)
     INSERT INTO event_deliveries (sink, log_id, next_leaf, last_hash, signed_size)
     SELECT feed.sink, t.log_id, CASE WHEN $2 THEN t.checkpoint_size ELSE 0 END, l.leaf_hash, t.checkpoint_size
     FROM feed CROSS JOIN audit_trees t
     LEFT JOIN audit_leaves l ON $2 AND l.log_id = t.log_id AND l.leaf_index = t.checkpoint_size - 1
     ON CONFLICT (sink, log_id) DO NOTHING`,
    [sink, fromNow],
  );
}

const UPSERT_SIZE = `ON CONFLICT (sink, log_id) DO UPDATE SET signed_size = excluded.signed_size
  WHERE d.signed_size <> excluded.signed_size`;

/**
 * Records which logs have grown, by the checkpoints since the last look. This misses none, because their numbers
 * become visible in order. An idle log costs nothing here.
 */
export async function noteNews(pool: Pool, sink: string): Promise<void> {
  await pool.query(
    `WITH feed AS (SELECT sink, seen_checkpoint FROM event_feeds WHERE sink = $1 FOR UPDATE),
     newest AS (SELECT max(id) AS id FROM audit_checkpoints),
     moved AS (UPDATE event_feeds f SET seen_checkpoint = newest.id FROM newest
       WHERE f.sink = $1 AND newest.id > f.seen_checkpoint)
     INSERT INTO event_deliveries AS d (sink, log_id, signed_size)
     SELECT feed.sink, c.log_id, max(c.size) FROM feed JOIN audit_checkpoints c ON c.id > feed.seen_checkpoint
     GROUP BY feed.sink, c.log_id ${UPSERT_SIZE}`,
    [sink],
  );
}

/** Compares every log with its recorded size. Done after a start, and if checkpoints that were seen before are gone. */
export async function noteAll(pool: Pool, sink: string): Promise<void> {
  await pool.query(
    `WITH feed AS (
       UPDATE event_feeds SET seen_checkpoint = coalesce((SELECT max(id) FROM audit_checkpoints), 0)
       WHERE sink = $1 RETURNING sink)
     INSERT INTO event_deliveries AS d (sink, log_id, signed_size)
     SELECT feed.sink, t.log_id, t.checkpoint_size FROM feed CROSS JOIN audit_trees t ${UPSERT_SIZE}`,
    [sink],
  );
}

/** Lets no process try the receiver before its time. Of failures at the same moment, only one counts. */
export async function restFeed(pool: Pool, sink: string, failure: Failure): Promise<void> {
  await pool.query(
    `UPDATE event_feeds SET ${failed('$2', '$3')} WHERE sink = $1 AND next_try_at <= clock_timestamp()`,
    [sink, failure.reason, failure.retryAfterMs],
  );
}

/** Records that the receiver accepts deliveries again. */
export async function noteTaken(pool: Pool, sink: string): Promise<void> {
  await pool.query(`UPDATE event_feeds SET ${RECOVERED} WHERE sink = $1 AND failures > 0`, [sink]);
}

/** How far behind a receiver is, over all nodes. */
export interface FeedLag {
  readonly behind: number;
  /** Seconds since the oldest event that it lacks was sealed. */
  readonly lagSec: number;
}

export async function readLag(pool: Pool, sink: string): Promise<FeedLag> {
  const { rows } = await pool.query<{ behind: string; lag_sec: number | null }>(
    `SELECT coalesce(sum(greatest(d.signed_size - d.next_leaf, 0)), 0) AS behind,
       extract(epoch FROM clock_timestamp() - min(l.sealed_at))::float8 AS lag_sec
     FROM event_deliveries d LEFT JOIN audit_leaves l ON l.log_id = d.log_id AND l.leaf_index = d.next_leaf
     WHERE d.sink = $1 AND d.next_leaf <> d.signed_size`,
    [sink],
  );
  return { behind: Number(rows[0]?.behind ?? 0), lagSec: Math.max(0, rows[0]?.lag_sec ?? 0) };
}

/**
 * Marks a loss as reported, in the caller's transaction, which must also report it.
 * @returns false if any process has reported this loss before
 */
export async function markLossReported(tx: Tx, sink: string, lost: string): Promise<boolean> {
  const { rowCount } = await tx.execute(
    sql`UPDATE event_feeds SET told_lost = ${lost} WHERE sink = ${sink} AND told_lost IS DISTINCT FROM ${lost}`,
  );
  return rowCount === 1;
}
