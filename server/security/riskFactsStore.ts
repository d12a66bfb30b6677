import type { Pool } from 'pg';
import { and, eq, sql } from 'drizzle-orm';
import { runPrepared } from '../db';
import type { Db, PreparedStatement } from '../db';
import { knownCountries, knownDevices } from '../db/schema';

/** What is known of a staff member's past logins: bounded, whatever their number. */
export interface RiskFacts {
  readonly deviceHashes: ReadonlySet<string>;
  /** By country: when it was last seen, in milliseconds since the epoch. */
  readonly countries: ReadonlyMap<string, number>;
}

const FACTS: PreparedStatement = {
  name: 'risk_facts',
  text: `SELECT
    (SELECT coalesce(json_agg(d.device_hash), '[]') FROM (
       SELECT device_hash FROM known_devices
       WHERE staff_id = $1 AND tenant_id = $2 ORDER BY last_seen_at DESC LIMIT 200) d) AS devices,
    (SELECT coalesce(json_agg(json_build_array(c.country, extract(epoch FROM c.last_seen_at) * 1000)), '[]')
       FROM known_countries c WHERE c.staff_id = $1 AND c.tenant_id = $2) AS countries`,
};

/** Reads the facts in one round trip. `pool` has the scorer's own short statement timeout. */
export async function readRiskFacts(
  pool: Pool,
  tenantId: string,
  staffId: string,
): Promise<RiskFacts> {
  const [row] = await runPrepared<{ devices: string[]; countries: [string, number][] }>(
    pool,
    FACTS,
    [staffId, tenantId],
  );
  return { deviceHashes: new Set(row?.devices), countries: new Map(row?.countries) };
}

export interface Sighting {
  tenantId: string;
  userId: string;
  staffId: string;
  deviceHashes: readonly string[];
  country: string | null;
  at: Date;
}

/** Remembers where and on what a login succeeded. */
export async function rememberSighting(db: Db, sighting: Sighting): Promise<void> {
  const { tenantId, userId, staffId, country, at } = sighting;
  const row = { tenantId, userId, staffId, firstSeenAt: at, lastSeenAt: at };
  if (sighting.deviceHashes.length > 0) {
    await db
      .insert(knownDevices)
      .values(sighting.deviceHashes.map((deviceHash) => ({ ...row, deviceHash })))
      .onConflictDoUpdate({
        target: [knownDevices.staffId, knownDevices.deviceHash],
        set: { lastSeenAt: sql`greatest(${knownDevices.lastSeenAt}, excluded.last_seen_at)` },
      });
  }
  if (country !== null) {
    await db
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
