import type { PoolClient } from 'pg';
import { TOLERANCE_MS } from '../../tlog/batchTimes';
import { brokenLog, listCheckpointsBelow } from '../audit';
import type { StoredCheckpoint } from '../audit';
import { runLong } from '../db/runLong';
import { EVENT_OF_LEAF, LEAF_OF_EVENT } from './copyStore';
import type { TimeRange } from './exportInput';

/** The leaves that a bundle covers. All events of its range are among them, with the proof that there are no others. */
export interface Stretch {
  /** The newest signed head; nothing that was sealed after it is exported. */
  readonly head: StoredCheckpoint;
  readonly first: number;
  readonly last: number;
  /** Events that did not occur in the range have leaves up to `before`, or from `after` on. */
  readonly edges: { readonly before: number; readonly after: number };
}

interface Log {
  readonly client: PoolClient;
  readonly logId: string;
  readonly size: number;
}

/** Returns when a leaf was sealed. Sealing times have a resolution of milliseconds. */
async function sealedAt({ client, logId }: Log, leaf: number): Promise<Date> {
  const { rows } = await client.query<{ sealed_at: Date }>({
    name: 'leaf_sealed_at',
    text: 'SELECT sealed_at FROM audit_leaves WHERE log_id = $1 AND leaf_index = $2',
    values: [logId, leaf],
  });
  const [row] = rows;
  if (!row) throw brokenLog(`leaf ${leaf} of log ${logId} is missing`);
  return row.sealed_at;
}

/**
 * Returns the first leaf, not before `from`, that was sealed at a moment or later; the log's size if there is none.
 * Sealing times ascend, so a binary search reads only a few rows.
 */
async function firstSealedFrom(log: Log, moment: Date, from = 0): Promise<number> {
  let [low, high] = [from, log.size];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if ((await sealedAt(log, middle)) < moment) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Returns the first leaf that was sealed after a leaf's whole batch and after a moment; the last leaf of the log if
 * there is none. A batch is everything that was sealed at one time: within it, events are in the order of their
 * transactions, however late they are.
 */
async function endBehind(log: Log, leaf: number, moment: Date): Promise<number> {
  const end = log.size - 1;
  if (leaf >= end) return end;
  const batch = await sealedAt(log, leaf);
  const passed = new Date(Math.max(batch.getTime(), moment.getTime()) + 1);
  return Math.min(end, await firstSealedFrom(log, passed, leaf + 1));
}

const IN_RANGE = 'e.tenant_id = $1 AND e.occurred_at >= $2 AND e.occurred_at < $3';
const IN_LEAVES = 'l.log_id = $1 AND l.leaf_index BETWEEN $4 AND $5';
const BY_LEAF = `FROM audit_leaves l ${EVENT_OF_LEAF} WHERE ${IN_LEAVES} AND ${IN_RANGE}`;
const BY_TIME = `FROM audit_logs e ${LEAF_OF_EVENT} WHERE ${IN_RANGE} AND ${IN_LEAVES}`;

interface Bounds {
  readonly first: number;
  readonly last: number;
}

/**
 * Events committed since the log was last sealed. There may be some, because an export seals a moment before it takes
 * its snapshot.
 */
const UNSEALED = `SELECT tenant_id, occurred_at FROM audit_logs
  WHERE transaction_id >= (SELECT pg_snapshot_xmin(sealed) FROM audit_sealer)
    AND NOT pg_visible_in_snapshot(transaction_id, (SELECT sealed FROM audit_sealer))`;

/** Counts the events of the range that the head covers, without looking up the leaf of each. */
async function countEvents({ client, logId }: Log, { start, end }: TimeRange): Promise<number> {
  const [row] = await runLong<{ events: string }>(
    client,
    `WITH unsealed AS MATERIALIZED (${UNSEALED})
     SELECT (SELECT count(*) FROM audit_logs e WHERE ${IN_RANGE}) - (SELECT count(*) FROM unsealed e WHERE ${IN_RANGE}) AS events`,
    [logId, start, end],
  );
  return Number(row?.events);
}

/**
 * Finds the first and the last leaf of the range's events within bounds. It starts from the shorter side of the join.
 */
async function findEnds(
  { client, logId }: Log,
  { start, end }: TimeRange,
  { first, last }: Bounds,
  events: number,
): Promise<Bounds | undefined> {
  if (first > last || events === 0) return undefined;
  const [row] = await runLong<{ first: string | null; last: string | null }>(
    client,
    `SELECT min(l.leaf_index) AS first, max(l.leaf_index) AS last ${last - first < events ? BY_LEAF : BY_TIME}`,
    [logId, start, end, first, last],
  );
  const { first: lowest = null, last: highest = null } = row ?? {};
  if (lowest === null || highest === null) return undefined;
  return { first: Number(lowest), last: Number(highest) };
}

/**
 * Widens the bounds to events of the range that the log took in long before or after it: imported events, or events
 * from wrong clocks. The usual ends are checked too: if one of them occurred in the range, it is not the neighbour
 * outside it.
 */
async function takeInOutliers(
  log: Log,
  range: TimeRange,
  { first, last }: Bounds,
  events: number,
): Promise<Bounds> {
  const settled = new Date(range.end.getTime() + TOLERANCE_MS);
  const before = await findEnds(log, range, { first: 0, last: first }, events);
  const after = await findEnds(log, range, { first: last, last: log.size - 1 }, events);
  return {
    first: before ? Math.max(0, before.first - 1) : first,
    last: after ? await endBehind(log, after.last, settled) : last,
  };
}

async function nearestEvent(
  { client, logId }: Log,
  { start, end }: TimeRange,
  { first, last }: Bounds,
  order: 'ASC' | 'DESC',
): Promise<number | undefined> {
  const [row] = await runLong<{ leaf: string }>(
    client,
    `SELECT l.leaf_index AS leaf ${BY_LEAF} ORDER BY l.leaf_index ${order} LIMIT 1`,
    [logId, start, end, first, last],
  );
  return row && Number(row.leaf);
}

/**
 * Finds the edges. If events of the range and others are mixed, all leaves are edges; otherwise only those before the
 * range's first event and after its last.
 */
async function findEdges(
  log: Log,
  range: TimeRange,
  bounds: Bounds,
  events: number,
): Promise<Stretch['edges']> {
  const all = { before: bounds.last, after: bounds.last + 1 };
  if (events === 0) return all;
  const lowest = await nearestEvent(log, range, bounds, 'ASC');
  const highest = await nearestEvent(log, range, bounds, 'DESC');
  if (lowest === undefined || highest === undefined) return all;
  const isSolid = events === highest - lowest + 1;
  return isSolid ? { before: lowest - 1, after: highest + 1 } : all;
}

/**
 * Finds the stretch of a tenant's log that holds a range of time, as docs/decisions/0019 defines it.
 * @param client in the export's snapshot
 * @throws AppError AUDIT_LOG_BROKEN if leaves are missing, or nothing was ever signed
 */
export async function findStretch(
  client: PoolClient,
  logId: string,
  range: TimeRange,
): Promise<Stretch> {
  const [head] = await listCheckpointsBelow(client, logId, Number.MAX_SAFE_INTEGER, 1);
  if (!head) throw brokenLog(`log ${logId} has no checkpoint`);
  const log = { client, logId, size: head.size };
  const opened = new Date(range.start.getTime() - TOLERANCE_MS);
  const settled = new Date(range.end.getTime() + TOLERANCE_MS);
  const usual = {
    first: Math.max(0, (await firstSealedFrom(log, opened)) - 1),
    // The first batch after that moment may still hold events of the range: they waited while the sealer stood still.
    last: await endBehind(log, await firstSealedFrom(log, settled), settled),
  };
  const events = await countEvents(log, range);
  const bounds = await takeInOutliers(log, range, usual, events);
  return { head, ...bounds, edges: await findEdges(log, range, bounds, events) };
}

interface EarlierBundle {
  readonly exportId: string;
  readonly size: number;
}

/** As many as an auditor is likely to compare. */
const EARLIER_AT_MOST = 100;

/** Lists the tenant's earlier bundles whose heads this bundle's head includes, newest first. */
export async function listEarlierBundles(
  client: PoolClient,
  tenantId: string,
  size: number,
): Promise<EarlierBundle[]> {
  const { rows } = await client.query<{ export_id: string; size: string }>(
    `SELECT substr(subject, 8) AS export_id, details->'checkpoint'->>'size' AS size FROM audit_logs
     WHERE tenant_id = $1 AND action = 'DATA_EXPORT_COMPLETED' AND outcome = 'success'
       AND CASE jsonb_typeof(details->'checkpoint'->'size') WHEN 'number'
         THEN (details->'checkpoint'->>'size')::numeric BETWEEN 1 AND $2 AND (details->'checkpoint'->>'size')::numeric % 1 = 0 END
     ORDER BY occurred_at DESC, id DESC LIMIT ${EARLIER_AT_MOST}`,
    [tenantId, size],
  );
  return rows.map((row) => ({ exportId: row.export_id, size: Number(row.size) }));
}
