import type { Pool } from 'pg';
import { and, eq, sql } from 'drizzle-orm';
import { runPrepared } from '../db';
import type { Db, PreparedStatement, Tx } from '../db';
import { knownCountries, knownDevices } from '../db/schema';

/** What is known of a staff member's past logins: bounded, whatever their number. */
export interface RiskFacts {
  readonly deviceHashes: ReadonlySet<string>;
  /** By country: when it was last seen, in milliseconds since the epoch. */
  readonly countries: ReadonlyMap<string, number>;
}

/**
 * The scalar subqueries around the parameters keep the planner from looking into the arrays: it would plan
 * anew at each execution, which takes longer than running it.
 */
const FACTS: PreparedStatement = {
  name: 'risk_facts',
  text: `SELECT asked.tenant_id || '/' || asked.staff_id AS key,
    (SELECT coalesce(json_agg(d.device_hash), '[]') FROM (
       SELECT device_hash FROM known_devices
       WHERE staff_id = asked.staff_id AND tenant_id = asked.tenant_id
       ORDER BY last_seen_at DESC LIMIT 200) d) AS devices,
    (SELECT coalesce(json_agg(json_build_array(c.country, extract(epoch FROM c.last_seen_at) * 1000)), '[]')
       FROM known_countries c
       WHERE c.staff_id = asked.staff_id AND c.tenant_id = asked.tenant_id) AS countries
    FROM unnest((SELECT $1::uuid[]), (SELECT $2::uuid[])) AS asked(tenant_id, staff_id)`,
};

/** Names one staff member of one tenant, for {@link readRiskFacts}. */
export const factsKey = (tenantId: string, staffId: string): string => `${tenantId}/${staffId}`;

/**
 * Reads the facts of many staff members in one round trip, each within its own tenant. `pool` has the
 * scorer's own short statement timeout.
 * @param keys as {@link factsKey} makes them
 * @returns the facts by key; all who were asked for are there
 */
export async function readRiskFacts(
  pool: Pool,
  keys: readonly string[],
): Promise<Map<string, RiskFacts>> {
  const asked = keys.map((key) => key.split('/'));
  const rows = await runPrepared<{
    key: string;
    devices: string[];
    countries: [string, number][];
  }>(pool, FACTS, [asked.map(([tenantId]) => tenantId), asked.map(([, staffId]) => staffId)]);
  return new Map(
    rows.map(({ key, devices, countries }) => [
      key,
      { deviceHashes: new Set(devices), countries: new Map(countries) },
    ]),
  );
}

export interface Sighting {
  tenantId: string;
  userId: string;
  staffId: string;
  deviceHashes: readonly string[];
  country: string | null;
  at: Date;
}

/**
 * Remembers where and on what a login succeeded.
 * @param timeoutMs after which Postgres cancels each statement: a login waits for this
 */
export async function rememberSighting(
  tx: Tx,
  sighting: Sighting,
  timeoutMs: number,
): Promise<void> {
  const { tenantId, userId, staffId, deviceHashes, country, at } = sighting;
  const row = { tenantId, userId, staffId, firstSeenAt: at, lastSeenAt: at };
  await tx.execute(sql`SELECT set_config('statement_timeout', ${String(timeoutMs)}, true)`);
  if (deviceHashes.length > 0) {
    await tx
      .insert(knownDevices)
      .values(deviceHashes.map((deviceHash) => ({ ...row, deviceHash })))
      .onConflictDoUpdate({
        target: [knownDevices.staffId, knownDevices.deviceHash],
        set: { lastSeenAt: sql`greatest(${knownDevices.lastSeenAt}, excluded.last_seen_at)` },
      });
  }
  if (country !== null) {
    await tx
      .insert(knownCountries)
      .values({ ...row, country })
      .onConflictDoUpdate({
        target: [knownCountries.staffId, knownCountries.country],
        set: { lastSeenAt: sql`greatest(${knownCountries.lastSeenAt}, excluded.last_seen_at)` },
      });
  }
}

/**
 * Whether a person has signed in on this device, in any tenant: asked while the password is checked, when
 * no tenant is known yet.
 */
export async function isKnownDevice(db: Db, userId: string, deviceHash: string): Promise<boolean> {
  const rows = await db
    .select({ id: knownDevices.id })
    .from(knownDevices)
    .where(and(eq(knownDevices.deviceHash, deviceHash), eq(knownDevices.userId, userId)))
    .limit(1);
  return rows.length > 0;
}
