import { and, asc, eq, gt, isNull, ne, sql } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { MAY_SIGN_IN } from '../db/maySignIn';
import { impersonations, tenantStaff, tenants, userSessions, users } from '../db/schema';
import { acrossTenants, inTenant } from '../db/tenantScope';

export type Impersonated = typeof impersonations.$inferSelect;

/** One of the two people of an impersonation, as of now. */
export interface Person {
  staffId: string;
  userId: string;
  email: string;
  name: string | null;
  permissions: string[];
  sessionVersion: number;
  /** They may sign in. */
  active: boolean;
}

/** Reads a member; undefined if the tenant has none with this id, or they were removed. */
export function readPerson(tx: Tx, tenantId: string, staffId: string): Promise<Person | undefined> {
  return inTenant(tx, tenantId, async (own) => {
    const [row] = await own
      .select({
        staffId: tenantStaff.id,
        userId: tenantStaff.userId,
        email: users.email,
        name: users.name,
        permissions: tenantStaff.permissions,
        sessionVersion: tenantStaff.sessionVersion,
        active: MAY_SIGN_IN,
      })
      .from(tenantStaff)
      .innerJoin(users, eq(users.id, tenantStaff.userId))
      .innerJoin(tenants, eq(tenants.id, tenantStaff.tenantId))
      .where(
        and(
          eq(tenantStaff.tenantId, tenantId),
          eq(tenantStaff.id, staffId),
          ne(tenantStaff.status, 'removed'),
        ),
      );
    return row;
  });
}

/** Returns whether a session of this member and this version is live. */
export function isSessionLive(
  tx: Tx,
  tenantId: string,
  query: { sessionId: string; staffId: string; sessionVersion: number; now: Date },
): Promise<boolean> {
  return inTenant(tx, tenantId, async (own) => {
    const rows = await own
      .select({ id: userSessions.id })
      .from(userSessions)
      .where(
        and(
          eq(userSessions.tenantId, tenantId),
          eq(userSessions.id, query.sessionId),
          eq(userSessions.staffId, query.staffId),
          eq(userSessions.sessionVersion, query.sessionVersion),
          isNull(userSessions.revokedAt),
          gt(userSessions.expiresAt, query.now),
        ),
      );
    return rows.length === 1;
  });
}

export function insertImpersonation(
  tx: Tx,
  row: typeof impersonations.$inferInsert,
): Promise<Impersonated> {
  return inTenant(tx, row.tenantId, async (own) => {
    const [stored] = await own.insert(impersonations).values(row).returning();
    if (!stored) throw new Error('an impersonation was not stored');
    return stored;
  });
}

const running = (tenantId: string) =>
  and(eq(impersonations.tenantId, tenantId), isNull(impersonations.endedAt));

/** Reads the impersonation of an actor that has not ended. */
export function findRunningOf(
  db: Db | Tx,
  tenantId: string,
  actorStaffId: string,
): Promise<Impersonated | undefined> {
  return inTenant(db, tenantId, async (tx) => {
    const [row] = await tx
      .select()
      .from(impersonations)
      .where(and(running(tenantId), eq(impersonations.actorStaffId, actorStaffId)));
    return row;
  });
}

/**
 * Reads the impersonations of a tenant that have not ended.
 * @param subject only those of this member
 */
export function listRunningIn(
  db: Db | Tx,
  tenantId: string,
  subject?: string,
): Promise<Impersonated[]> {
  return inTenant(db, tenantId, async (tx) => {
    const ofSubject = subject === undefined ? undefined : eq(impersonations.staffId, subject);
    return tx
      .select()
      .from(impersonations)
      .where(and(running(tenantId), ofSubject))
      .orderBy(asc(impersonations.startedAt), asc(impersonations.id));
  });
}

/** Makes the impersonations of a member that rest on a consent end at a time, if it is earlier. */
export function shortenRunning(
  tx: Tx,
  tenantId: string,
  { staffId, until }: { staffId: string; until: Date },
): Promise<void> {
  return inTenant(tx, tenantId, async (own) => {
    await own
      .update(impersonations)
      .set({ expiresAt: until })
      .where(
        and(
          running(tenantId),
          eq(impersonations.staffId, staffId),
          eq(impersonations.consent, 'required'),
          gt(impersonations.expiresAt, until),
        ),
      );
  });
}

/** Reads the ids of all impersonations of all tenants that have not ended. */
export function listAllRunning(db: Db): Promise<{ tenantId: string; id: string }[]> {
  return acrossTenants(db, 'impersonation', (tx) =>
    tx
      .select({ tenantId: impersonations.tenantId, id: impersonations.id })
      .from(impersonations)
      .where(isNull(impersonations.endedAt)),
  );
}

/**
 * Ends an impersonation, once: of many that try, one succeeds. It waits for requests that are just
 * being counted.
 * @returns undefined if it had ended
 */
export function markEnded(
  tx: Tx,
  tenantId: string,
  { id, reason, now }: { id: string; reason: string; now: Date },
): Promise<Impersonated | undefined> {
  return inTenant(tx, tenantId, async (own) => {
    const at = now.toISOString();
    const [row] = await own
      .update(impersonations)
      .set({
        endReason: reason,
        endedAt: sql`greatest(${impersonations.startedAt}, least(${impersonations.expiresAt}, ${at}::timestamptz))`,
      })
      .where(and(running(tenantId), eq(impersonations.id, id)))
      .returning();
    return row;
  });
}
