import { createSealer } from '@/server/audit';
import { createCheckpointDeliverer } from '@/server/audit';
import type { CheckpointSettings } from '@/server/config/checkpointSettings';
import { loadConfig, requireReady } from '@/server/config';
import { uuidV7 } from '@/server/db/ids';
import { createKeyRing } from '@/server/keyRing';
import { createMetrics } from '@/server/metrics';
import { randomBytes } from 'node:crypto';
import { ask } from '../database/askDatabase';
import { closeLater } from '../server/closing';
import { memoryLog } from '../server/memoryLog';
import { pollUntil } from '../time/pollUntil';
import { createTestDatabase } from '../database/testDatabase';

export const thisDatabase = () => process.env['DATABASE_URL'] ?? '';

const clock = { now: () => new Date() };
const random = { bytes: randomBytes, id: () => uuidV7(Date.now(), randomBytes(16)) };

/**
 * Gives the test that is about to run a database of its own. A sink with a new name begins with the
 * first checkpoint, and would otherwise receive all that earlier tests had signed.
 */
export async function useFreshDatabase(): Promise<void> {
  const { url, drop } = await createTestDatabase();
  closeLater(drop);
  process.env['DATABASE_URL'] = url;
}

/**
 * Adds one event to each of as many trees as requested, and signs every tree: so there are that
 * many more checkpoints.
 */
export async function signMore(count: number, url = thisDatabase()): Promise<void> {
  await ask(
    url,
    `INSERT INTO audit_logs (tenant_id, action, outcome, actor, correlation_id)
     SELECT gen_random_uuid(), 'AUTH_LOGOUT', 'success', 'system', 'checkpoints' FROM generate_series(1, $1)`,
    [count],
  );
  await seal(url);
}

/** Puts all events under a checkpoint. */
export async function seal(url = thisDatabase()): Promise<void> {
  const { logger } = memoryLog();
  const keys = createKeyRing(requireReady(loadConfig()).secrets);
  const sealer = createSealer({
    databaseUrl: url,
    clock,
    random,
    keys,
    logger,
    metrics: createMetrics(),
  });
  try {
    await sealer.sealNow();
  } finally {
    await sealer.close();
  }
}

export interface SignedRow {
  id: number;
  note: string;
}

/** Returns all checkpoints in their order. */
export async function signed(url = thisDatabase()): Promise<SignedRow[]> {
  const rows = await ask<{ id: string; note: string }>(
    url,
    'SELECT id, note FROM audit_checkpoints ORDER BY id',
  );
  return rows.map(({ id, note }) => ({ id: Number(id), note }));
}

/** Opens the deliverer of a node by itself, with its own log and metrics. */
export function openDeliverer(
  checkpoints: CheckpointSettings,
  { url = thisDatabase(), webhookTimeoutMs }: { url?: string; webhookTimeoutMs?: number } = {},
) {
  const { lines, logger } = memoryLog();
  const metrics = createMetrics();
  const deliverer = createCheckpointDeliverer({
    databaseUrl: url,
    checkpoints,
    clock,
    random,
    logger,
    metrics,
    webhookTimeoutMs,
  });
  closeLater(() => deliverer.close());
  deliverer.start();
  const metric = async (name: string, labels: Record<string, string>): Promise<number> => {
    const found = await metrics.registry.getSingleMetric(name)?.get();
    const fits = (one: { labels: object }) =>
      Object.entries(labels).every(([label, value]) => Reflect.get(one.labels, label) === value);
    return found?.values.find(fits)?.value ?? 0;
  };
  return { close: () => deliverer.close(), lines, metric };
}

/** The row of a sink. */
export interface DeliveryRow {
  delivered_id: string;
  failures: number;
  last_error: string | null;
  claimed_by: string | null;
}

export async function standing(sink: string, url = thisDatabase()) {
  const [row] = await ask<DeliveryRow>(
    url,
    'SELECT delivered_id, failures, last_error, claimed_by FROM checkpoint_deliveries WHERE sink = $1',
    [sink],
  );
  return row;
}

/** Waits until a sink has failed that many times in a row. */
export const untilFailed = (sink: string, times = 1) =>
  pollUntil(
    `${times} failures`,
    () => standing(sink),
    (row) => (row?.failures ?? 0) >= times,
  );

/** Waits until a sink has received everything, and this is recorded. */
export const untilDelivered = (sink: string, url = thisDatabase()) =>
  pollUntil(
    'everything is delivered',
    async () => {
      const [{ newest } = { newest: null }] = await ask<{ newest: string | null }>(
        url,
        'SELECT max(id) AS newest FROM audit_checkpoints',
      );
      const row = await standing(sink, url);
      return { newest, delivered: row?.delivered_id ?? null, free: row?.claimed_by === null };
    },
    ({ newest, delivered, free }) => newest === delivered && free,
  );

/** Makes every sink due again at once. */
export const hasten = (url = thisDatabase()) =>
  ask(url, 'UPDATE checkpoint_deliveries SET next_try_at = now()');

export const errorsOf = (lines: readonly { level: number; msg: string }[]) =>
  lines.filter(({ level }) => level >= 50).map(({ msg }) => msg);
