import { and, eq, isNull, sql } from 'drizzle-orm';
import type { Db, PreparedStatement, Tx } from '../../db';
import type { RunStatement } from '../../db/runWithin';
import {
  knownAddresses,
  knownCountries,
  knownDevices,
  knownNetworks,
  staffHabits,
  tenantStaff,
  userSessions,
} from '../../db/schema';
import { acrossTenants } from '../../db/tenantScope';
import type { History } from './signals';

/**
 * The scalar subqueries around the parameters hide the arrays' lengths from the planner. With the
 * lengths it would plan again at each execution, which takes longer than running the statement.
 */
const FACTS: PreparedStatement = {
  name: 'risk_facts',
  bypass: 'risk',
  text: `SELECT asked.tenant_id || '/' || asked.staff_id AS key,
    (SELECT coalesce(json_agg(d.device_hash), '[]') FROM (
       SELECT device_hash FROM known_devices
       WHERE staff_id = asked.staff_id AND tenant_id = asked.tenant_id
       ORDER BY last_seen_at DESC LIMIT 200) d) AS devices,
    (SELECT coalesce(json_agg(json_build_array(c.country, extract(epoch FROM c.last_seen_at) * 1000)), '[]')
       FROM known_countries c
       WHERE c.staff_id = asked.staff_id AND c.tenant_id = asked.tenant_id) AS countries,
    (SELECT coalesce(json_agg(json_build_array(n.network, extract(epoch FROM n.last_seen_at) * 1000)), '[]') FROM (
       SELECT network, last_seen_at FROM known_networks
       WHERE staff_id = asked.staff_id AND tenant_id = asked.tenant_id
       ORDER BY last_seen_at DESC LIMIT 200) n) AS networks,
    (SELECT json_build_object('hours', h.hours, 'lastLoginAt', extract(epoch FROM h.last_login_at) * 1000)
       FROM staff_habits h
       WHERE h.staff_id = asked.staff_id AND h.tenant_id = asked.tenant_id) AS habits,
    (SELECT coalesce(json_agg(json_build_object('id', s.id, 'country', s.country,
         'lastSeenAt', extract(epoch FROM s.last_seen_at) * 1000)), '[]') FROM (
       SELECT id, country, last_seen_at FROM user_sessions
       WHERE staff_id = asked.staff_id AND tenant_id = asked.tenant_id AND revoked_at IS NULL
       ORDER BY last_seen_at DESC NULLS LAST LIMIT 20) s) AS sessions
    FROM unnest((SELECT $1::uuid[]), (SELECT $2::uuid[])) AS asked(tenant_id, staff_id)`,
};

/** Returns the key of one staff member of one tenant, for {@link readRiskFacts}. */
export const factsKey = (tenantId: string, staffId: string): string => `${tenantId}/${staffId}`;

/**
 * Reads the history of many staff members in one round trip, each within their own tenant.
 * @param run runs a statement with the scorer's own deadline
 * @param keys keys from {@link factsKey}
 * @returns the history by key, with an entry for every key
 */
export async function readRiskFacts(
  run: RunStatement,
  keys: readonly string[],
): Promise<Map<string, History>> {
  const asked = keys.map((key) => key.split('/'));
  const rows = await run<{
    key: string;
    devices: string[];
    countries: [string, number][];
    networks: [string, number][];
    habits: { hours: number[]; lastLoginAt: number } | null;
    sessions: { id: string; country: string | null; lastSeenAt: number }[];
  }>(FACTS, [asked.map(([tenantId]) => tenantId), asked.map(([, staffId]) => staffId)]);
  return new Map(
    rows.map(({ key, devices, countries, networks, habits, sessions }) => [
      key,
      {
        deviceHashes: new Set(devices),
        countries: new Map(countries),
        networks: new Map(networks),
        hours: habits?.hours ?? [],
        lastLoginAt: habits?.lastLoginAt ?? null,
        sessions,
      },
    ]),
  );
}

export interface Sighting {
  tenantId: string;
  userId: string;
  staffId: string;
  deviceHashes: readonly string[];
  country: string | null;
  network: string | null;
  /** The hash of the address block. */
  addressHash: string;
  /** The session that teaches this; null in degraded mode. */
  sessionId: string | null;
  at: Date;
}

/**
 * Locks the staff member's row, so that ending this person's sessions waits and cannot be followed
 * by a session teaching what was just forgotten.
 * @returns how the session teaches; undefined if it was ended in the meantime
 */
async function mayTeach(
  tx: Tx,
  { tenantId, staffId, sessionId }: Sighting,
): Promise<{ byProvider: boolean } | undefined> {
  const ofStaff = and(eq(tenantStaff.tenantId, tenantId), eq(tenantStaff.id, staffId));
  if (sessionId === null) {
    const rows = await tx
      .select({ id: tenantStaff.id })
      .from(tenantStaff)
      .where(ofStaff)
      .for('share');
    return rows.length === 1 ? { byProvider: false } : undefined;
  }
  const live = and(
    eq(userSessions.tenantId, tenantStaff.tenantId),
    eq(userSessions.staffId, tenantStaff.id),
    eq(userSessions.sessionVersion, tenantStaff.sessionVersion),
    eq(userSessions.id, sessionId),
    isNull(userSessions.revokedAt),
  );
  const { ssoConnectionId, ownProofAt } = userSessions;
  const [row] = await tx
    .select({
      byProvider: sql<boolean>`${ssoConnectionId} IS NOT NULL AND ${ownProofAt} IS NULL`,
    })
    .from(tenantStaff)
    .innerJoin(userSessions, live)
    .where(ofStaff)
    .for('share', { of: tenantStaff });
  return row;
}

async function rememberHour(tx: Tx, { tenantId, userId, staffId, at }: Sighting): Promise<void> {
  // SQL arrays begin at 1.
  const hour = sql.raw(String(at.getUTCHours() + 1));
  const { hours, lastLoginAt } = staffHabits;
  const first = Array.from({ length: 24 }, (_, one) => (one === at.getUTCHours() ? 1 : 0));
  await tx
    .insert(staffHabits)
    .values({ tenantId, userId, staffId, hours: first, lastLoginAt: at })
    .onConflictDoUpdate({
      target: staffHabits.staffId,
      set: {
        hours: sql`${hours}[:${hour} - 1] || (${hours}[${hour}] + 1) || ${hours}[${hour} + 1:]`,
        lastLoginAt: sql`greatest(${lastLoginAt}, excluded.last_login_at)`,
      },
    });
}

/**
 * Stores where, when and on which device a login succeeded, and the session that taught it first.
 * An ended session teaches nothing.
 * @param timeoutMs Postgres cancels each statement after this time, because a login waits for it
 */
export async function rememberSighting(
  tx: Tx,
  sighting: Sighting,
  timeoutMs: number,
): Promise<void> {
  const { tenantId, userId, staffId, sessionId, at } = sighting;
  const { deviceHashes, country, network, addressHash } = sighting;
  const row = { tenantId, userId, staffId, sessionId, firstSeenAt: at, lastSeenAt: at };
  await tx.execute(sql`SELECT set_config('statement_timeout', ${String(timeoutMs)}, true)`);
  const teaches = await mayTeach(tx, sighting);
  if (!teaches) return;
  const { byProvider } = teaches;
  if (deviceHashes.length > 0) {
    await tx
      .insert(knownDevices)
      .values(deviceHashes.map((deviceHash) => ({ ...row, deviceHash, byProvider })))
      .onConflictDoUpdate({
        target: [knownDevices.staffId, knownDevices.deviceHash],
        set: {
          lastSeenAt: sql`greatest(${knownDevices.lastSeenAt}, excluded.last_seen_at)`,
          byProvider: sql`${knownDevices.byProvider} AND excluded.by_provider`,
        },
      });
  }
  await tx
    .insert(knownAddresses)
    .values({ ...row, addressHash, byProvider })
    .onConflictDoUpdate({
      target: [knownAddresses.staffId, knownAddresses.addressHash],
      set: {
        lastSeenAt: sql`greatest(${knownAddresses.lastSeenAt}, excluded.last_seen_at)`,
        byProvider: sql`${knownAddresses.byProvider} AND excluded.by_provider`,
      },
    });
  if (network !== null) {
    await tx
      .insert(knownNetworks)
      .values({ ...row, network })
      .onConflictDoUpdate({
        target: [knownNetworks.staffId, knownNetworks.network],
        set: { lastSeenAt: sql`greatest(${knownNetworks.lastSeenAt}, excluded.last_seen_at)` },
      });
  }
  await rememberHour(tx, sighting);
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

/** Returns whether a person has signed in on this device, in any tenant. */
export function isKnownDevice(db: Db, userId: string, deviceHash: string): Promise<boolean> {
  return acrossTenants(db, 'person', async (tx) => {
    const rows = await tx
      .select({ id: knownDevices.id })
      .from(knownDevices)
      .where(and(eq(knownDevices.deviceHash, deviceHash), eq(knownDevices.userId, userId)))
      .limit(1);
    return rows.length > 0;
  });
}
