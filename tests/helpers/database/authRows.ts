import { and, asc, eq, sql } from 'drizzle-orm';
import { db } from '@/server/db';
import {
  auditLogs,
  refreshTokens,
  riskPolicies,
  stepUpChallenges,
  tenantStaff,
  tenants,
  userSessions,
  users,
} from '@/server/db/schema';

/** Returns a staff member's refresh tokens, oldest first. */
export const tokensOf = (staffId: string) =>
  db
    .select()
    .from(refreshTokens)
    .where(eq(refreshTokens.staffId, staffId))
    .orderBy(asc(refreshTokens.createdAt), asc(refreshTokens.id));

export async function liveTokensOf(staffId: string) {
  return (await tokensOf(staffId)).filter(({ revokedAt }) => revokedAt === null);
}

/** Returns a staff member's sessions, oldest first. */
export const sessionsOf = (staffId: string) =>
  db
    .select()
    .from(userSessions)
    .where(eq(userSessions.staffId, staffId))
    .orderBy(asc(userSessions.createdAt), asc(userSessions.id));

/**
 * Returns the sessions that were not ended; with a time, only those that have not expired by then.
 */
export async function liveSessionsOf(staffId: string, at?: Date) {
  return (await sessionsOf(staffId)).filter(
    ({ revokedAt, expiresAt }) => revokedAt === null && (at === undefined || expiresAt > at),
  );
}

export const challengesOf = (staffId: string) =>
  db.select().from(stepUpChallenges).where(eq(stepUpChallenges.staffId, staffId));

export async function versionOf(staffId: string): Promise<number | undefined> {
  const [row] = await db.select().from(tenantStaff).where(eq(tenantStaff.id, staffId));
  return row?.sessionVersion;
}

/** Returns the events of one action, oldest first, of one tenant if given. */
export const auditOf = (action: string, tenantId?: string) =>
  db
    .select()
    .from(auditLogs)
    .where(
      and(
        eq(auditLogs.action, action),
        tenantId === undefined ? undefined : eq(auditLogs.tenantId, tenantId),
      ),
    )
    .orderBy(asc(auditLogs.id));

export const setUserStatus = (userId: string, status: 'active' | 'disabled') =>
  db.update(users).set({ status }).where(eq(users.id, userId));

export const setStaffStatus = (staffId: string, status: 'active' | 'disabled') =>
  db.update(tenantStaff).set({ status }).where(eq(tenantStaff.id, staffId));

export const setTenantStatus = (tenantId: string, status: 'active' | 'suspended' | 'deleted') =>
  db.update(tenants).set({ status }).where(eq(tenants.id, tenantId));

export const setHighRiskAction = (tenantId: string, highRiskAction: 'block' | 'step_up') =>
  db.insert(riskPolicies).values({ tenantId, policy: { highRiskAction } });

/** Returns the names of the tables that hold a text anywhere in any row. */
export async function tablesHolding(text: string): Promise<string[]> {
  const { rows } = await db.execute<{ name: string }>(
    sql`SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'`,
  );
  const holding: string[] = [];
  for (const { name } of rows) {
    const found = await db.execute(
      sql`SELECT 1 FROM ${sql.identifier(name)} t WHERE strpos(t::text, ${text}) > 0 LIMIT 1`,
    );
    if (found.rows.length > 0) holding.push(name);
  }
  return holding;
}

/** Runs work while a table is missing. It restores the table even if the work fails. */
export async function withoutTable<T>(name: string, work: () => Promise<T>): Promise<T> {
  const hidden = `${name}_hidden`;
  await db.execute(sql`ALTER TABLE ${sql.identifier(name)} RENAME TO ${sql.identifier(hidden)}`);
  try {
    return await work();
  } finally {
    await db.execute(sql`ALTER TABLE ${sql.identifier(hidden)} RENAME TO ${sql.identifier(name)}`);
  }
}
