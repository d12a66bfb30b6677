import { runPrepared } from '../../db';
import type { PreparedRunner, PreparedStatement } from '../../db';

/** A signed head of a log, as the database stores it. */
export interface StoredCheckpoint {
  readonly id: number;
  readonly size: number;
  readonly rootHash: Buffer;
  /** The signed note. */
  readonly note: string;
  /** ISO 8601, UTC. */
  readonly signedAt: string;
}

interface CheckpointRow {
  id: string;
  size: string;
  root_hash: Buffer;
  note: string;
  signed_at: Date;
}

const toCheckpoint = (row: CheckpointRow): StoredCheckpoint => ({
  id: Number(row.id),
  size: Number(row.size),
  rootHash: row.root_hash,
  note: row.note,
  signedAt: row.signed_at.toISOString(),
});

const COLUMNS = 'id, size, root_hash, note, signed_at';

/** Ordered by size, which has an index: within one log, a larger tree was signed later. */
const LIST: PreparedStatement = {
  name: 'audit_checkpoints_below',
  text: `SELECT ${COLUMNS} FROM audit_checkpoints WHERE log_id = $1 AND size < $2 ORDER BY size DESC LIMIT $3`,
};

/** @returns the newest `limit` checkpoints of a log with fewer than `below` leaves, newest first */
export async function listCheckpointsBelow(
  runner: PreparedRunner,
  logId: string,
  below: number,
  limit: number,
): Promise<StoredCheckpoint[]> {
  const rows = await runPrepared<CheckpointRow & Record<string, unknown>>(runner, LIST, [
    logId,
    below,
    limit,
  ]);
  return rows.map(toCheckpoint);
}

const AT_SIZES: PreparedStatement = {
  name: 'audit_checkpoints_of_sizes',
  text: `SELECT ${COLUMNS} FROM audit_checkpoints WHERE log_id = $1 AND size = ANY ($2::bigint[])`,
};

/** @returns the checkpoints of a log that were signed at one of these sizes */
export async function findCheckpoints(
  runner: PreparedRunner,
  logId: string,
  sizes: readonly number[],
): Promise<StoredCheckpoint[]> {
  const rows = await runPrepared<CheckpointRow & Record<string, unknown>>(runner, AT_SIZES, [
    logId,
    sizes,
  ]);
  return rows.map(toCheckpoint);
}

const HEAD: PreparedStatement = {
  name: 'audit_tree_size',
  text: 'SELECT size, checkpoint_size FROM audit_trees WHERE log_id = $1',
};

/**
 * Returns how many leaves a log has, and how many of them a checkpoint covers. Both are 0 if the log does not exist.
 */
export async function readTreeSize(
  runner: PreparedRunner,
  logId: string,
): Promise<{ size: number; signed: number }> {
  const [row] = await runPrepared<{ size: string; checkpoint_size: string }>(runner, HEAD, [logId]);
  return { size: Number(row?.size ?? 0), signed: Number(row?.checkpoint_size ?? 0) };
}

const KEYS: PreparedStatement = {
  name: 'evidence_keys_all',
  text: 'SELECT public_key, first_used_at FROM evidence_keys ORDER BY first_used_at, key_id',
};

/**
 * A key as the database stores it. Anyone who can write to the database can insert one, so it is for display and
 * never trusted.
 */
export interface KeptKey {
  readonly publicPem: string;
  readonly firstUsedAt: Date;
}

/** Returns every key that has signed here, according to the database. */
export async function readKeptKeys(runner: PreparedRunner): Promise<KeptKey[]> {
  const rows = await runPrepared<{ public_key: string; first_used_at: Date }>(runner, KEYS, []);
  return rows.map((row) => ({ publicPem: row.public_key, firstUsedAt: row.first_used_at }));
}
