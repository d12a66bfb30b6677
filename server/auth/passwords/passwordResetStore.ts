import { and, count, eq, gt, isNull, lt, not, sql } from 'drizzle-orm';
import type { Db, Tx } from '../../db';
import { uuidV7 } from '../../db/ids';
import { MAY_SIGN_IN } from '../../db/maySignIn';
import { passwordResets, tenantStaff, tenants, users } from '../../db/schema';
import { acrossTenants } from '../../db/tenantScope';

/** Locks a person, so that of two links at the same time the second ends the first. */
export async function lockPerson(tx: Tx, userId: string): Promise<void> {
  await tx.select({ id: users.id }).from(users).where(eq(users.id, userId)).for('no key update');
}

/** Counts the links that were mailed to a person since a moment. */
export async function countResetsSince(tx: Tx, userId: string, since: Date): Promise<number> {
  const [row] = await tx
    .select({ links: count() })
    .from(passwordResets)
    .where(and(eq(passwordResets.userId, userId), gt(passwordResets.createdAt, since)));
  return row?.links ?? 0;
}

/** Writes a link. The database's clock dates it, as it dates the changes of the password. */
export async function insertReset(
  tx: Tx,
  row: { id: string; userId: string; expiresAt: Date },
): Promise<void> {
  await tx.insert(passwordResets).values({ ...row, createdAt: sql`clock_timestamp()` });
}

const open = isNull(passwordResets.endedAt);

/** Ends a person's open links. */
export async function endPasswordResets(tx: Tx, userId: string): Promise<void> {
  await tx
    .update(passwordResets)
    .set({ endedAt: sql`clock_timestamp()` })
    .where(and(eq(passwordResets.userId, userId), open));
}

/** Matches people who may sign in to a tenant. */
const maySignInSomewhere = (userId: typeof passwordResets.userId) =>
  sql`EXISTS (SELECT FROM ${tenantStaff} JOIN ${users} ON ${users.id} = ${tenantStaff.userId}
    JOIN ${tenants} ON ${tenants.id} = ${tenantStaff.tenantId}
    WHERE ${tenantStaff.userId} = ${userId} AND ${MAY_SIGN_IN})`;

/** Ends the open links of the person behind a membership, if they may sign in to no tenant now. */
export function endResetsIfShutOut(
  tx: Tx,
  { tenantId, staffId }: { tenantId: string; staffId: string },
): Promise<void> {
  return acrossTenants(tx, 'person', async (own) => {
    const person = own
      .select({ userId: tenantStaff.userId })
      .from(tenantStaff)
      .where(and(eq(tenantStaff.tenantId, tenantId), eq(tenantStaff.id, staffId)));
    const shutOut = not(maySignInSomewhere(passwordResets.userId));
    await own
      .update(passwordResets)
      .set({ endedAt: sql`clock_timestamp()` })
      .where(and(eq(passwordResets.userId, person), open, shutOut));
  });
}

/**
 * Matches a link that still works: open, of a person who may sign in somewhere, and not older than
 * the password, which another release or an operator by hand may have replaced.
 */
const works = (id: string, now: Date) =>
  and(
    eq(passwordResets.id, id),
    open,
    gt(passwordResets.expiresAt, now),
    sql`${passwordResets.createdAt} >= (SELECT ${users.passwordChangedAt} FROM ${users} WHERE ${users.id} = ${passwordResets.userId})`,
    maySignInSomewhere(passwordResets.userId),
  );

/** @returns the person whose password the link replaces, or undefined if it does not work */
export function findReset(db: Db, id: string, now: Date): Promise<string | undefined> {
  return acrossTenants(db, 'person', async (tx) => {
    const [row] = await tx
      .select({ userId: passwordResets.userId })
      .from(passwordResets)
      .where(works(id, now));
    return row?.userId;
  });
}

/**
 * Consumes a link in one statement: of many concurrent requests it lets one through.
 * @returns false if it does not work any more
 */
export function consumeReset(tx: Tx, id: string, now: Date): Promise<boolean> {
  return acrossTenants(tx, 'person', async (own) => {
    const rows = await own
      .update(passwordResets)
      .set({ endedAt: sql`clock_timestamp()` })
      .where(works(id, now))
      .returning({ id: passwordResets.id });
    return rows.length === 1;
  });
}

/**
 * Deletes a batch of links that were mailed before a moment. Ids are in the order of time, so the
 * primary key finds them.
 * @returns how many were deleted; 0 if none is left
 */
export async function purgePasswordResets(db: Db, before: Date, most = 500): Promise<number> {
  const first = uuidV7(before.getTime(), Buffer.alloc(16));
  const old = sql`SELECT ${passwordResets.id} FROM ${passwordResets} WHERE ${lt(passwordResets.id, first)} ORDER BY ${passwordResets.id} LIMIT ${most} FOR UPDATE SKIP LOCKED`;
  const { rowCount } = await db
    .delete(passwordResets)
    .where(sql`${passwordResets.id} = ANY(ARRAY(${old}))`);
  return rowCount ?? 0;
}
