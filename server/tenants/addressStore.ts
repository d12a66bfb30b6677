import { and, asc, eq, gt, inArray, not, sql } from 'drizzle-orm';
import { pendingChange } from '../auth';
import type { Db, Tx } from '../db';
import { emailChanges, tenantStaff, tenants, users } from '../db/schema';
import { acrossTenants } from '../db/tenantScope';

export interface StoredAddress {
  userId: string;
  email: string;
}

/** Lists people whose address is not known to be in its normal form, ordered by id. */
export async function listUnnormalized(
  db: Db,
  { after, limit }: { after: string | undefined; limit: number },
): Promise<StoredAddress[]> {
  return db
    .select({ userId: users.id, email: users.email })
    .from(users)
    .where(and(not(users.emailNormalized), after === undefined ? undefined : gt(users.id, after)))
    .orderBy(asc(users.id))
    .limit(limit);
}

/** Marks these addresses as normal, unless they have changed since they were read. */
export async function markNormalized(db: Db, read: readonly StoredAddress[]): Promise<void> {
  if (read.length === 0) return;
  const pairs = read.map(({ userId, email }) => sql`(${userId}::uuid, ${email})`);
  await db
    .update(users)
    .set({ emailNormalized: true })
    .where(sql`(${users.id}, ${users.email}) IN (${sql.join(pairs, sql`, `)})`);
}

/**
 * Replaces a person's address, if it is still the one that was read.
 * @returns false if it changed in the meantime
 * @throws the driver's unique violation if somebody else has the address
 */
export async function replaceAddress(
  tx: Tx,
  change: { userId: string; from: string; to: string },
): Promise<boolean> {
  const rows = await tx
    .update(users)
    .set({ email: change.to, emailNormalized: true })
    .where(and(eq(users.id, change.userId), eq(users.email, change.from)))
    .returning({ id: users.id });
  return rows.length === 1;
}

/** Returns the ids of the people with one of these stored addresses (exact match), by address. */
export async function findByAddresses(
  db: Db,
  emails: readonly string[],
): Promise<Map<string, string>> {
  if (emails.length === 0) return new Map();
  const rows = await db
    .select({ userId: users.id, email: users.email })
    .from(users)
    .where(inArray(users.email, [...emails]));
  return new Map(rows.map(({ userId, email }) => [email, userId]));
}

export interface MembershipOfUser {
  userId: string;
  tenantId: string;
  tenant: string;
  staffId: string;
  status: string;
}

/** Lists the memberships of these people in all tenants. */
export function listMembershipsOf(db: Db, userIds: readonly string[]): Promise<MembershipOfUser[]> {
  return acrossTenants(db, 'person', async (tx) => {
    if (userIds.length === 0) return [];
    return tx
      .select({
        userId: tenantStaff.userId,
        tenantId: tenantStaff.tenantId,
        tenant: tenants.slug,
        staffId: tenantStaff.id,
        status: tenantStaff.status,
      })
      .from(tenantStaff)
      .innerJoin(tenants, eq(tenants.id, tenantStaff.tenantId))
      .where(inArray(tenantStaff.userId, [...userIds]))
      .orderBy(asc(tenants.slug), asc(tenantStaff.id));
  });
}

/** Ends all pending changes of a person's address, in whichever tenant they were asked for. */
export function endPendingChanges(tx: Tx, userId: string, now: Date): Promise<void> {
  return acrossTenants(tx, 'person', async (own) => {
    const theirs = eq(emailChanges.userId, userId);
    await own.update(emailChanges).set({ endedAt: now }).where(and(theirs, pendingChange));
  });
}
