import type { PoolClient } from 'pg';
import { isoTime } from '../../db/isoTime';
import type { SealedEvent } from '../../../tlog/leaf';
import type { TreeNode } from '../../../tlog/merkleTree';

/** The advisory lock that allows one sealer at a time in a database. Migrations use other keys. */
const SEALER_LOCK = '7310595163817209187';

/** The columns of an event as it is hashed, without its place in the log. */
export const EVENT_COLUMNS = `e.id, e.tenant_id, ${isoTime('e.occurred_at')} AS occurred_at, e.action, e.outcome::text AS outcome,
  e.actor, e.subject, e.on_behalf_of, e.session_id, e.ip, e.country, e.user_agent, e.correlation_id, e.details`;

/** The time of sealing, as it is hashed. */
export const SEALED_AT = isoTime('l.sealed_at');

/** An event without its place in the log. */
export type EventRow = Omit<SealedEvent, 'leaf_index' | 'sealed_at'>;

/** How far sealing has come, and the present state. Snapshots and transaction numbers are in Postgres's text form. */
export interface SealerState {
  sealed: string | null;
  target: string | null;
  target_at: string | null;
  after_transaction: string | null;
  after_id: string | null;
  /** The cluster that the stored snapshots come from; `cluster_now` is the present one. */
  cluster: string | null;
  cluster_now: string;
  snapshot_now: string;
  now: string;
}

/**
 * Takes the sealer's lock until the transaction ends.
 * @param waitMs how long to wait for another sealer, in milliseconds; 0 does not wait
 */
export async function takeSealerLock(client: PoolClient, waitMs: number): Promise<boolean> {
  const tried = await client.query<{ held: boolean }>(
    `SELECT pg_try_advisory_xact_lock(${SEALER_LOCK}) AS held`,
  );
  if (tried.rows[0]?.held || waitMs === 0) return tried.rows[0]?.held ?? false;
  await client.query(`SET LOCAL lock_timeout = ${Math.ceil(waitMs)}`);
  await client.query(`SELECT pg_advisory_xact_lock(${SEALER_LOCK})`);
  return true;
}

/**
 * Reads the sealer's state. Call it with the lock held: only then is everything visible that the previous sealer did.
 */
export async function readState(client: PoolClient): Promise<SealerState> {
  const { rows } = await client.query<SealerState>(
    `SELECT s.sealed::text, s.target::text, ${isoTime('s.target_at')} AS target_at, s.after_transaction::text, s.after_id, s.cluster,
       c.system_identifier::text AS cluster_now, pg_current_snapshot()::text AS snapshot_now,
       ${isoTime('clock_timestamp()')} AS now
     FROM pg_control_system() c LEFT JOIN audit_sealer s ON true`,
  );
  return rows[0] as SealerState;
}

export async function writeState(
  client: PoolClient,
  state: Pick<
    SealerState,
    'sealed' | 'target' | 'target_at' | 'after_transaction' | 'after_id' | 'cluster'
  >,
): Promise<void> {
  await client.query(
    `INSERT INTO audit_sealer (sealed, target, target_at, after_transaction, after_id, cluster)
     VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT ("only") DO UPDATE SET sealed = excluded.sealed, target = excluded.target, target_at = excluded.target_at,
       after_transaction = excluded.after_transaction, after_id = excluded.after_id, cluster = excluded.cluster`,
    [
      state.sealed,
      state.target,
      state.target_at,
      state.after_transaction,
      state.after_id,
      state.cluster,
    ],
  );
}

export interface FoundEvent extends EventRow {
  transaction: string;
}

/** Selects events of certain transactions that are visible in a snapshot and come after a row. */
export interface Search {
  /** The transactions that were running then; null for all transactions from `from` on. */
  running: readonly string[] | null;
  from: string;
  target: string;
  afterTransaction: string;
  afterId: string;
  limit: number;
}

/**
 * Returns events in the order of their transactions. All searches share this order, so no event is found twice or
 * skipped.
 */
export async function findEvents(client: PoolClient, search: Search): Promise<FoundEvent[]> {
  const which = search.running
    ? 'e.transaction_id = ANY ($1::text::xid8[])'
    : 'e.transaction_id >= $1::xid8 AND e.transaction_id < pg_snapshot_xmax($2::pg_snapshot)';
  const { rows } = await client.query<FoundEvent>({
    name: search.running ? 'sealer_find_running' : 'sealer_find',
    text: `SELECT ${EVENT_COLUMNS}, e.transaction_id::text AS transaction FROM audit_logs e
       WHERE ${which} AND pg_visible_in_snapshot(e.transaction_id, $2::pg_snapshot)
         AND (e.transaction_id, e.id) > ($3::xid8, $4::uuid)
       ORDER BY e.transaction_id, e.id LIMIT $5`,
    values: [
      search.running ? `{${search.running.join(',')}}` : search.from,
      search.target,
      search.afterTransaction,
      search.afterId,
      search.limit,
    ],
  });
  return rows;
}

/**
 * Returns events without a leaf, whatever their transaction. Used after a dump was restored into another cluster,
 * whose transactions have other numbers.
 */
export async function findUnsealed(
  client: PoolClient,
  afterId: string,
  limit: number,
): Promise<FoundEvent[]> {
  const { rows } = await client.query<FoundEvent>(
    `SELECT ${EVENT_COLUMNS}, e.transaction_id::text AS transaction FROM audit_logs e
     WHERE e.id > $1 AND NOT EXISTS (SELECT FROM audit_leaves l WHERE l.event_id = e.id)
     ORDER BY e.id LIMIT $2`,
    [afterId, limit],
  );
  return rows;
}

/** @returns the ids of those events that have a leaf */
export async function findSealed(client: PoolClient, ids: readonly string[]): Promise<Set<string>> {
  const { rows } = await client.query<{ event_id: string }>({
    name: 'sealer_find_sealed',
    text: 'SELECT event_id FROM audit_leaves WHERE event_id = ANY ($1::uuid[])',
    values: [ids],
  });
  return new Set(rows.map((row) => row.event_id));
}

export interface TreeRow {
  log_id: string;
  tenant_id: string | null;
  size: string;
  peaks: Buffer;
}

export interface OpenedTreeRow extends TreeRow {
  checkpoint_size: string;
  /** The checkpoint of exactly this size; null if there is none. */
  note: string | null;
  /** The time at which its last leaf was sealed. */
  last_sealed_at: string | null;
}

/** Reads the trees of these tenants, including the tree of no tenant if `null` is among them. */
export async function readTrees(
  client: PoolClient,
  tenants: readonly (string | null)[],
): Promise<OpenedTreeRow[]> {
  const ids = tenants.filter((id) => id !== null);
  const { rows } = await client.query<OpenedTreeRow>(
    `SELECT t.log_id, t.tenant_id, t.size, t.peaks, t.checkpoint_size, c.note, ${SEALED_AT} AS last_sealed_at
     FROM audit_trees t
     LEFT JOIN audit_checkpoints c ON c.log_id = t.log_id AND c.size = t.size
     LEFT JOIN audit_leaves l ON l.log_id = t.log_id AND l.leaf_index = t.size - 1
     WHERE t.log_id = ANY ($1::uuid[]) OR (t.tenant_id IS NULL AND $2)`,
    [ids, ids.length < tenants.length],
  );
  return rows;
}

export interface NewLeaf {
  logId: string;
  index: number;
  eventId: string;
  sealedAt: string;
  hash: Buffer;
}

export interface NewNode extends TreeNode {
  logId: string;
}

export interface GrownTree {
  logId: string;
  tenantId: string | null;
  size: number;
  peaks: Buffer;
}

export async function writeTrees(
  client: PoolClient,
  { leaves, nodes, trees }: { leaves: NewLeaf[]; nodes: NewNode[]; trees: GrownTree[] },
): Promise<void> {
  await client.query({
    name: 'sealer_leaves',
    // The hashes are passed as one value: an array of them would be written as text and parsed again.
    text: `INSERT INTO audit_leaves (log_id, leaf_index, event_id, leaf_hash, sealed_at)
      SELECT log_id, leaf_index, event_id, substring($4::bytea FROM (at::int - 1) * 32 + 1 FOR 32), sealed_at
      FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $5::timestamptz[]) WITH ORDINALITY
        AS t(log_id, leaf_index, event_id, sealed_at, at)`,
    values: [
      leaves.map(({ logId }) => logId),
      leaves.map(({ index }) => index),
      leaves.map(({ eventId }) => eventId),
      Buffer.concat(leaves.map(({ hash }) => hash)),
      leaves.map(({ sealedAt }) => sealedAt),
    ],
  });
  if (nodes.length > 0) {
    await client.query(
      `INSERT INTO audit_nodes (log_id, level, node_index, hash)
       SELECT * FROM unnest($1::uuid[], $2::smallint[], $3::bigint[], $4::bytea[])`,
      [
        nodes.map(({ logId }) => logId),
        nodes.map(({ level }) => level),
        nodes.map(({ index }) => index),
        nodes.map(({ hash }) => hash),
      ],
    );
  }
  await client.query(
    `INSERT INTO audit_trees (log_id, tenant_id, size, peaks)
     SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bytea[])
     ON CONFLICT (log_id) DO UPDATE SET size = excluded.size, peaks = excluded.peaks`,
    [
      trees.map(({ logId }) => logId),
      trees.map(({ tenantId }) => tenantId),
      trees.map(({ size }) => size),
      trees.map(({ peaks }) => peaks),
    ],
  );
}

/** Reads the trees that have grown since their last checkpoint. */
export async function readUnsigned(client: PoolClient): Promise<TreeRow[]> {
  const { rows } = await client.query<TreeRow>(
    `SELECT log_id, tenant_id, size, peaks FROM audit_trees WHERE size > checkpoint_size ORDER BY log_id`,
  );
  return rows;
}

export interface NewCheckpoint {
  logId: string;
  size: number;
  root: Buffer;
  note: string;
}

export interface KnownCheckpoint {
  id: number;
  note: string;
}

/** Stores checkpoints. @returns the one with the highest number */
export async function writeCheckpoints(
  client: PoolClient,
  checkpoints: readonly NewCheckpoint[],
): Promise<KnownCheckpoint | undefined> {
  const { rows } = await client.query<{ id: string; note: string }>(
    `WITH signed AS (
       INSERT INTO audit_checkpoints (log_id, size, root_hash, note)
       SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bytea[], $4::text[])
       RETURNING id, log_id, size, note
     ), noted AS (
       UPDATE audit_trees t SET checkpoint_size = s.size FROM signed s WHERE t.log_id = s.log_id
     )
     SELECT id, note FROM signed ORDER BY id DESC LIMIT 1`,
    [
      checkpoints.map(({ logId }) => logId),
      checkpoints.map(({ size }) => size),
      checkpoints.map(({ root }) => root),
      checkpoints.map(({ note }) => note),
    ],
  );
  return rows[0] && { id: Number(rows[0].id), note: rows[0].note };
}

/** Returns whether the database still holds a checkpoint unchanged. */
export async function hasCheckpoint(client: PoolClient, known: KnownCheckpoint): Promise<boolean> {
  const { rows } = await client.query<{ note: string }>({
    name: 'sealer_known',
    text: 'SELECT note FROM audit_checkpoints WHERE id = $1',
    values: [known.id],
  });
  return rows[0]?.note === known.note;
}

/** Stores the public half of a signing key, once. */
export async function keepEvidenceKey(
  client: PoolClient,
  keyId: string,
  publicPem: string,
): Promise<void> {
  await client.query(
    'INSERT INTO evidence_keys (key_id, public_key) VALUES ($1, $2) ON CONFLICT (key_id) DO NOTHING',
    [keyId, publicPem],
  );
}
