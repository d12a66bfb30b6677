import { randomBytes, randomUUID } from 'node:crypto';
import type { Pool, QueryResultRow } from 'pg';
import { createEventFeed } from '@/server/audit';
import { uuidV7 } from '@/server/db/ids';
import type { EventFeedSettings } from '@/server/config/eventFeedSettings';
import { createMetrics } from '@/server/metrics';
import { webhookSink } from '@/server/config/webhookSettings';
import type { Received } from './checkpointReceiver';
import { seal, thisDatabase } from './checkpoints';
import { openPool } from '../database/openPool';
import { closeLater } from '../server/closing';
import { memoryLog } from '../server/memoryLog';
import { pollUntil } from '../time/pollUntil';

const clock = { now: () => new Date() };
const random = { bytes: randomBytes, id: () => uuidV7(Date.now(), randomBytes(16)) };

let pool: Pool | undefined;

/** Uses one connection, so that polling costs little. */
async function query<Row extends QueryResultRow = Record<string, unknown>>(
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  pool ??= openPool(thisDatabase(), 1);
  return (await pool.query<Row>(text, values)).rows;
}

type Options = Partial<Pick<EventFeedSettings, 'format' | 'start' | 'token'>> & {
  timeoutMs?: number;
};

/**
 * Opens the feed of a node by itself and starts it. It begins at the present unless the test
 * chooses otherwise.
 */
export async function openFeed(url: string, options: Options = {}) {
  const { lines, logger } = memoryLog();
  const metrics = createMetrics();
  const { format = 'ocsf', start = 'now', token, timeoutMs } = options;
  const settings = { ...webhookSink(url, token), format, start };
  const common = { databaseUrl: thisDatabase(), release: '1.2.3', clock, random, logger, metrics };
  const feed = createEventFeed({ ...common, settings, timeoutMs });
  closeLater(() => feed.close());
  feed.start();
  const { sink } = settings;
  await pollUntil('the feed has begun', () => feedRow(sink), Boolean);
  const metric = async (name: string) =>
    (await metrics.registry.getSingleMetric(`gatehouse_event_feed_${name}`)?.get())?.values[0]
      ?.value ?? 0;
  return { sink, lines, metric, metrics, close: () => feed.close() };
}

export const feedRow = async (sink: string) => {
  const [row] = await query<{ failures: number; last_error: string | null }>(
    'SELECT failures, last_error FROM event_feeds WHERE sink = $1',
    [sink],
  );
  return row;
};

/** Makes the feed and every log due again at once. */
export const hastenFeed = () =>
  query(
    `WITH f AS (UPDATE event_feeds SET next_try_at = now()) UPDATE event_deliveries SET next_try_at = now()`,
  );

/** Writes events of a tenant, or of none, without sealing them. */
export const writeEvents = (tenantId: string | null, count: number, bytes = 10) =>
  query(
    `INSERT INTO audit_logs (tenant_id, action, outcome, actor, correlation_id, details)
     SELECT $1, 'AUTH_LOGOUT', 'success', 'system', 'feed', jsonb_build_object('scope', repeat('x', $3)) FROM generate_series(1, $2)`,
    [tenantId, count, bytes],
  );

/**
 * Writes events into each of several logs, and puts them under checkpoints.
 * @returns the tenants
 */
export async function sealEvents(counts: readonly number[], bytes?: number): Promise<string[]> {
  const tenants = counts.map(() => randomUUID());
  for (const [at, tenant] of tenants.entries()) await writeEvents(tenant, counts[at] ?? 0, bytes);
  await seal();
  return tenants;
}

/** Returns the ids of a log's events in the order of their leaves. */
export const idsOf = async (logId: string) =>
  (
    await query<{ event_id: string }>(
      'SELECT event_id FROM audit_leaves WHERE log_id = $1 ORDER BY leaf_index',
      [logId],
    )
  ).map(({ event_id }) => event_id);

export interface Batch {
  log: string;
  first: number;
  last: number;
  hash: string;
  ids: string[];
}

/** Reads a request as its receiver does. */
export function toBatch({ headers, note }: Received): Batch {
  const header = (name: string) => String(headers[`gatehouse-${name}`]);
  const lines = note.trimEnd().split('\n');
  const events = lines.map(
    (line) => JSON.parse(line) as { id?: string; metadata?: { uid: string } },
  );
  return {
    log: header('log').replace('gatehouse/', ''),
    first: Number(header('first-leaf')),
    last: Number(header('last-leaf')),
    hash: header('last-leaf-hash'),
    ids: events.map(({ id, metadata }) => id ?? metadata?.uid ?? ''),
  };
}

/**
 * Returns the events that a receiver holds of a log if it drops duplicates by log and leaf. Throws
 * if a request leaves a gap.
 */
export function assemble(received: readonly Received[], log: string): string[] {
  const held: string[] = [];
  for (const { first, last, ids } of received.map(toBatch).filter((one) => one.log === log)) {
    if (first > held.length) throw new Error(`leaves are missing: ${held.length} to ${first}`);
    if (last - first + 1 !== ids.length) throw new Error('the headers do not match the lines');
    held.splice(first, ids.length, ...ids);
  }
  return held;
}

/** Waits until the receiver has everything, and this is recorded. */
export const untilFed = (sink: string, timeoutMs = 60_000) =>
  pollUntil(
    'everything is delivered',
    () =>
      query<{ due: number }>(
        `SELECT count(*)::int AS due FROM audit_trees t LEFT JOIN event_deliveries d ON d.sink = $1 AND d.log_id = t.log_id
         WHERE t.checkpoint_size <> coalesce(d.next_leaf, -1) OR d.claimed_by IS NOT NULL`,
        [sink],
      ),
    ([row]) => row?.due === 0,
    timeoutMs,
  );

/** Waits until the receiver as a whole has failed that many times in a row. */
export const untilResting = (sink: string, times = 1) =>
  pollUntil(
    `${times} failures`,
    () => feedRow(sink),
    (row) => (row?.failures ?? 0) >= times,
  );

/** Returns the progress of a log at a receiver. */
export const cursorOf = async (sink: string, logId: string) => {
  const [row] = await query<{ next_leaf: string; failures: number; last_error: string | null }>(
    'SELECT next_leaf, failures, last_error FROM event_deliveries WHERE sink = $1 AND log_id = $2',
    [sink, logId],
  );
  return row;
};
