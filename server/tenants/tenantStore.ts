import { and, asc, count, eq, ne, sql } from 'drizzle-orm';
import type { SQL } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { tenantStaff, tenants, users } from '../db/schema';
import { NOT_ENDED } from '../db/maySignIn';
import { HAS_PASSWORD, PASSWORD_SET_AT } from '../db/ownPassword';
import { acrossTenants, inTenant } from '../db/tenantScope';
import { cutPage, invalidCursor } from '../http/timeCursor';

export async function insertTenant(tx: Tx, row: typeof tenants.$inferInsert): Promise<void> {
  await tx.insert(tenants).values(row);
}

export async function findTenantBySlug(db: Db, slug: string) {
  const [row] = await db.select().from(tenants).where(eq(tenants.slug, slug));
  return row;
}

/** Lists all tenants, ordered by slug, with the number of their members, without former ones. */
export function listTenants(db: Db) {
  return acrossTenants(db, 'operator', async (tx) => {
    const { id, slug, name, status, createdAt } = tenants;
    return tx
      .select({ tenantId: id, slug, name, status, staff: count(tenantStaff.id), createdAt })
      .from(tenants)
      .leftJoin(tenantStaff, and(eq(tenantStaff.tenantId, id), ne(tenantStaff.status, 'removed')))
      .groupBy(id)
      .orderBy(asc(slug));
  });
}

/** Lists a page of tenants, ordered by slug. The cursor is the last slug of the page before. */
export async function listTenantPage(
  db: Db,
  { cursor, limit }: { cursor?: string | undefined; limit: number },
) {
  const { id, slug, name, status, createdAt } = tenants;
  const after = cursor === undefined ? undefined : Buffer.from(cursor, 'base64url').toString();
  if (after !== undefined && !/^[a-z0-9-]{1,63}$/.test(after)) throw invalidCursor();
  const rows = await db
    .select({ tenantId: id, slug, name, status, createdAt })
    .from(tenants)
    .where(after === undefined ? undefined : sql`${slug} COLLATE "C" > ${after}`)
    .orderBy(sql`${slug} COLLATE "C"`)
    .limit(limit + 1);
  const { shown, nextCursor } = cutPage(rows, limit, (row) =>
    Buffer.from(row.slug).toString('base64url'),
  );
  return { tenants: shown, nextCursor };
}

/** Lists the ids of all tenants that were not deleted. */
export async function listOpenTenants(db: Db): Promise<string[]> {
  const rows = await db
    .select({ id: tenants.id })
    .from(tenants)
    .where(ne(tenants.status, 'deleted'))
    .orderBy(asc(tenants.id));
  return rows.map(({ id }) => id);
}

export async function hasAnyTenant(db: Db): Promise<boolean> {
  const rows = await db.select({ id: tenants.id }).from(tenants).limit(1);
  return rows.length > 0;
}

/**
 * @param row a null `passwordHash` makes a person without a password
 * @returns the id of the person with this e-mail address, new or existing
 */
export async function insertUserIfNew(
  tx: Tx,
  row: typeof users.$inferInsert & { passwordHash: string | null },
): Promise<{ id: string; created: boolean }> {
  const [inserted] = await tx
    .insert(users)
    .values(row)
    .onConflictDoNothing({ target: users.email })
    .returning({ id: users.id });
  if (inserted) return { id: inserted.id, created: true };
  const [found] = await tx.select({ id: users.id }).from(users).where(eq(users.email, row.email));
  if (!found) throw new Error('a user disappeared while it was being created');
  return { id: found.id, created: false };
}

/** @returns the id of the person with exactly this stored address, or undefined */
export async function findUserByEmail(tx: Tx, email: string): Promise<string | undefined> {
  const [found] = await tx.select({ id: users.id }).from(users).where(eq(users.email, email));
  return found?.id;
}

export function insertStaff(tx: Tx, row: typeof tenantStaff.$inferInsert): Promise<void> {
  return inTenant(tx, row.tenantId, async (own) => {
    await own.insert(tenantStaff).values(row);
  });
}

export interface StaffMember {
  tenantId: string;
  userId: string;
  staffId: string;
  email: string;
}

const findStaff = (db: Db, tenantId: string, which: SQL): Promise<StaffMember | undefined> => {
  return inTenant(db, tenantId, async (tx) => {
    const [row] = await tx
      .select({
        tenantId: tenantStaff.tenantId,
        userId: tenantStaff.userId,
        staffId: tenantStaff.id,
        email: users.email,
      })
      .from(tenantStaff)
      .innerJoin(users, eq(users.id, tenantStaff.userId))
      .where(and(eq(tenantStaff.tenantId, tenantId), which));
    return row;
  });
};

/** @param email exactly as it is stored */
export const findStaffByEmail = (db: Db, tenantId: string, email: string) =>
  findStaff(db, tenantId, eq(users.email, email));

export const findStaffById = (db: Db, tenantId: string, staffId: string) =>
  findStaff(db, tenantId, eq(tenantStaff.id, staffId));

/** Reads a membership for an operator: no secrets, and nothing of other tenants. */
export function readMembership(db: Db, tenantId: string, staffId: string) {
  return inTenant(db, tenantId, async (tx) => {
    const [row] = await tx
      .select({
        status: tenantStaff.status,
        disabledAt: tenantStaff.disabledAt,
        endsAt: tenantStaff.endsAt,
        createdAt: tenantStaff.createdAt,
        roles: tenantStaff.roles,
        permissions: tenantStaff.permissions,
        mustProveLogin: tenantStaff.mustProveLogin,
        sessionVersion: tenantStaff.sessionVersion,
        hasPassword: HAS_PASSWORD,
        passwordChangedAt: PASSWORD_SET_AT,
        passwordExpiredAt: users.passwordExpiredAt,
      })
      .from(tenantStaff)
      .innerJoin(users, eq(users.id, tenantStaff.userId))
      .where(ofStaff(tenantId, staffId));
    return row;
  });
}

export type LockedStaff = Pick<
  typeof tenantStaff.$inferSelect,
  'roles' | 'permissions' | 'status' | 'disabledAt' | 'endsAt'
> & {
  /** The membership has reached its end, and is not removed yet. */
  ended: boolean;
};

const ENDED = sql<boolean>`NOT ${NOT_ENDED}`;

/**
 * The end of a membership. Somebody can write `infinity` by SQL, which is no Date: a member with
 * it could not be removed.
 */
export const FINITE_END =
  sql<Date | null>`CASE WHEN isfinite(${tenantStaff.endsAt}) THEN ${tenantStaff.endsAt} END`.mapWith(
    tenantStaff.endsAt,
  ) as SQL<Date | null>;

const ofStaff = (tenantId: string, staffId: string) =>
  and(eq(tenantStaff.tenantId, tenantId), eq(tenantStaff.id, staffId));

/**
 * Locks a staff member, so that changes happen one at a time. A stronger lock would deadlock: a
 * refresh holds its session while it references this row, and ending sessions takes the two locks
 * in the opposite order.
 */
export function lockStaffMember(
  tx: Tx,
  tenantId: string,
  staffId: string,
): Promise<LockedStaff | undefined> {
  return inTenant(tx, tenantId, async (own) => {
    const { roles, permissions, status, disabledAt } = tenantStaff;
    const [row] = await own
      .select({ roles, permissions, status, disabledAt, endsAt: FINITE_END, ended: ENDED })
      .from(tenantStaff)
      .where(ofStaff(tenantId, staffId))
      .for('no key update');
    return row;
  });
}

/** @returns the time, by the database clock that also dates audit events */
export function markDisabled(tx: Tx, tenantId: string, staffId: string): Promise<Date> {
  return inTenant(tx, tenantId, async (own) => {
    const [row] = await own
      .update(tenantStaff)
      .set({ status: 'disabled', disabledAt: sql`clock_timestamp()` })
      .where(ofStaff(tenantId, staffId))
      .returning({ disabledAt: tenantStaff.disabledAt });
    if (!row?.disabledAt) throw new Error('a staff member disappeared while it was being disabled');
    return row.disabledAt;
  });
}

/** Marks a member as a former one, by the database clock. */
export function markRemoved(tx: Tx, tenantId: string, staffId: string): Promise<void> {
  return inTenant(tx, tenantId, async (own) => {
    await own
      .update(tenantStaff)
      .set({ status: 'removed', removedAt: sql`clock_timestamp()`, endsAt: null })
      .where(ofStaff(tenantId, staffId));
  });
}

export function markEnabled(tx: Tx, tenantId: string, staffId: string): Promise<void> {
  return inTenant(tx, tenantId, async (own) => {
    await own
      .update(tenantStaff)
      .set({ status: 'active', disabledAt: null })
      .where(ofStaff(tenantId, staffId));
  });
}

/** Writes the end of a membership; null if it has none. */
export function updateEnd(
  tx: Tx,
  tenantId: string,
  { staffId, endsAt }: { staffId: string; endsAt: Date | null },
): Promise<void> {
  return inTenant(tx, tenantId, async (own) => {
    await own.update(tenantStaff).set({ endsAt }).where(ofStaff(tenantId, staffId));
  });
}

/** Writes a member's roles, and the permissions in effect. */
export function updateAccess(
  tx: Tx,
  tenantId: string,
  query: { staffId: string; roles: string[]; permissions: string[] },
): Promise<void> {
  return inTenant(tx, tenantId, async (own) => {
    const { staffId, roles, permissions } = query;
    await own.update(tenantStaff).set({ roles, permissions }).where(ofStaff(tenantId, staffId));
  });
}
