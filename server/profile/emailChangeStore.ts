import { and, asc, eq, gt, isNull, sql } from 'drizzle-orm';
import { pendingChange } from '../auth';
import type { Db, Tx } from '../db';
import { MAY_SIGN_IN } from '../db/maySignIn';
import { emailChanges, tenantStaff, tenants, users } from '../db/schema';
import { acrossTenants } from '../db/tenantScope';

/** Reads a person's address, exactly as it is stored. */
export async function readAddress(tx: Tx, userId: string): Promise<string | undefined> {
  const [row] = await tx.select({ email: users.email }).from(users).where(eq(users.id, userId));
  return row?.email;
}

/** Returns whether a person has this address. */
export async function isTaken(tx: Tx, email: string): Promise<boolean> {
  const rows = await tx.select({ id: users.id }).from(users).where(eq(users.email, email));
  return rows.length > 0;
}

/** Lists when the changes were asked for that a person has begun since a moment, oldest first. */
export function listChangesSince(tx: Tx, userId: string, since: Date): Promise<Date[]> {
  return acrossTenants(tx, 'person', async (own) => {
    const rows = await own
      .select({ createdAt: emailChanges.createdAt })
      .from(emailChanges)
      .where(and(eq(emailChanges.userId, userId), gt(emailChanges.createdAt, since)))
      .orderBy(asc(emailChanges.createdAt));
    return rows.map(({ createdAt }) => createdAt);
  });
}

export async function insertChange(tx: Tx, row: typeof emailChanges.$inferInsert): Promise<void> {
  await tx.insert(emailChanges).values(row);
}

/** A change of address, as its link finds it. */
export interface EmailChange {
  id: string;
  tenantId: string;
  staffId: string;
  userId: string;
  from: string;
  to: string;
  expiresAt: Date;
  confirmed: boolean;
}

/**
 * Finds a change by its id alone: the tag of the id has proven that this server mailed it.
 * @returns undefined if it was ended, or if the person may not sign in to the tenant in which it
 * was asked for
 */
export function findChange(db: Db | Tx, id: string): Promise<EmailChange | undefined> {
  return acrossTenants(db, 'link', async (tx) => {
    const [row] = await tx
      .select({
        id: emailChanges.id,
        tenantId: emailChanges.tenantId,
        staffId: emailChanges.staffId,
        userId: emailChanges.userId,
        from: emailChanges.fromEmail,
        to: emailChanges.toEmail,
        expiresAt: emailChanges.expiresAt,
        confirmed: sql<boolean>`${emailChanges.confirmedAt} IS NOT NULL`,
      })
      .from(emailChanges)
      .innerJoin(tenantStaff, eq(tenantStaff.id, emailChanges.staffId))
      .innerJoin(users, eq(users.id, emailChanges.userId))
      .innerJoin(tenants, eq(tenants.id, emailChanges.tenantId))
      .where(and(eq(emailChanges.id, id), isNull(emailChanges.endedAt), MAY_SIGN_IN));
    return row;
  });
}

/**
 * Consumes a change in one statement: of many concurrent confirmations it lets one through.
 * @returns false if it was confirmed, ended or has expired
 */
export async function consumeChange(
  tx: Tx,
  { id, userId }: Pick<EmailChange, 'id' | 'userId'>,
  now: Date,
): Promise<boolean> {
  const rows = await tx
    .update(emailChanges)
    .set({ confirmedAt: now })
    .where(
      and(
        eq(emailChanges.id, id),
        eq(emailChanges.userId, userId),
        pendingChange,
        gt(emailChanges.expiresAt, now),
      ),
    )
    .returning({ id: emailChanges.id });
  return rows.length === 1;
}
