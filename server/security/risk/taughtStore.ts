import { and, eq, gte, inArray, isNull, or, sql } from 'drizzle-orm';
import type { SQL } from 'drizzle-orm';
import type { Tx } from '../../db';
import {
  knownAddresses,
  knownCountries,
  knownDevices,
  knownNetworks,
  staffHabits,
  userSessions,
} from '../../db/schema';
import { inTenant } from '../../db/tenantScope';

/** Selects what must be forgotten of what a staff member's sessions taught. */
export interface Taught {
  staffId: string;
  /** The sessions that are no longer trusted. */
  sessionIds: readonly string[];
  /**
   * Anything first learnt since then is forgotten too, whichever session taught it. Null adds
   * nothing.
   */
  since: Date | null;
}

/** The number of forgotten rows of each kind. */
export interface Forgotten {
  devices: number;
  networks: number;
  countries: number;
  addresses: number;
}

type Known =
  typeof knownDevices | typeof knownNetworks | typeof knownCountries | typeof knownAddresses;

async function forgetRows(tx: Tx, table: Known, tenantId: string, what: Taught): Promise<number> {
  const reasons: SQL[] = [];
  if (what.sessionIds.length > 0) reasons.push(inArray(table.sessionId, [...what.sessionIds]));
  if (what.since) reasons.push(gte(table.firstSeenAt, what.since));
  if (reasons.length === 0) return 0;
  const ofStaff = and(eq(table.tenantId, tenantId), eq(table.staffId, what.staffId));
  const rows = await tx
    .delete(table)
    .where(and(ofStaff, or(...reasons)))
    .returning({ id: table.id });
  return rows.length;
}

/**
 * Subtracts the hours at which these sessions signed in: an attacker's night must not look like the
 * owner's habit.
 */
async function forgetHours(tx: Tx, tenantId: string, what: Taught): Promise<void> {
  if (what.sessionIds.length === 0) return;
  const hours = sql`SELECT extract(hour FROM ${userSessions.createdAt} AT TIME ZONE 'UTC')::int + 1 AS hour, count(*) AS logins
    FROM ${userSessions} WHERE ${userSessions.tenantId} = ${tenantId}
    AND ${inArray(userSessions.id, [...what.sessionIds])} GROUP BY 1`;
  const left = sql`ARRAY(SELECT greatest(0, ${staffHabits.hours}[one.hour] - coalesce(taught.logins, 0)::int)
    FROM generate_series(1, 24) AS one(hour) LEFT JOIN (${hours}) taught ON taught.hour = one.hour ORDER BY one.hour)`;
  await tx
    .update(staffHabits)
    .set({ hours: left })
    .where(and(eq(staffHabits.tenantId, tenantId), eq(staffHabits.staffId, what.staffId)));
}

/**
 * Forgets what an attacker's sessions taught: the devices, networks, countries and address blocks
 * that they showed first, and their hours. Call it once the staff member's row is locked: anything
 * taught later then finds its session ended.
 */
export function forgetTaught(tx: Tx, tenantId: string, what: Taught): Promise<Forgotten> {
  return inTenant(tx, tenantId, async (own) => {
    const forgotten = {
      devices: await forgetRows(own, knownDevices, tenantId, what),
      networks: await forgetRows(own, knownNetworks, tenantId, what),
      countries: await forgetRows(own, knownCountries, tenantId, what),
      addresses: await forgetRows(own, knownAddresses, tenantId, what),
    };
    await forgetHours(own, tenantId, what);
    return forgotten;
  });
}

/**
 * Lists the sessions that are no longer trusted: those that are live, and those opened since a
 * moment.
 */
export function listSuspectSessions(
  tx: Tx,
  tenantId: string,
  { staffId, since }: { staffId: string; since: Date | null },
): Promise<string[]> {
  return inTenant(tx, tenantId, async (own) => {
    // A session past its absolute end has ended, although nobody revoked it.
    const live = and(isNull(userSessions.revokedAt), sql`${userSessions.expiresAt} > now()`);
    const suspect = since ? or(live, gte(userSessions.createdAt, since)) : live;
    const rows = await own
      .select({ id: userSessions.id })
      .from(userSessions)
      .where(and(eq(userSessions.tenantId, tenantId), eq(userSessions.staffId, staffId), suspect));
    return rows.map(({ id }) => id);
  });
}
