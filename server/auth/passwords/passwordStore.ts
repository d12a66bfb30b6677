import { and, asc, eq, ne, sql } from 'drizzle-orm';
import type { Tx } from '../../db';
import { tenantStaff, users } from '../../db/schema';
import { acrossTenants, inTenant } from '../../db/tenantScope';

/** A membership of the person whose password changes. */
export interface PasswordMembership {
  tenantId: string;
  staffId: string;
}

/** Finds the person behind a membership, unless they have left the tenant. */
export function findPersonOf(
  tx: Tx,
  { tenantId, staffId }: PasswordMembership,
): Promise<string | undefined> {
  return inTenant(tx, tenantId, async (own) => {
    const [row] = await own
      .select({ userId: tenantStaff.userId })
      .from(tenantStaff)
      .where(
        and(
          eq(tenantStaff.tenantId, tenantId),
          eq(tenantStaff.id, staffId),
          ne(tenantStaff.status, 'removed'),
        ),
      );
    return row?.userId;
  });
}

/**
 * Locks a person's memberships in all tenants, in the order of their ids: every path that locks
 * several does so in this order. Memberships that the person has left are not included, so that their
 * tenants learn nothing.
 */
export function lockMemberships(tx: Tx, userId: string): Promise<PasswordMembership[]> {
  return acrossTenants(tx, 'person', async (own) => {
    return own
      .select({ tenantId: tenantStaff.tenantId, staffId: tenantStaff.id })
      .from(tenantStaff)
      .where(and(eq(tenantStaff.userId, userId), ne(tenantStaff.status, 'removed')))
      .orderBy(asc(tenantStaff.id))
      .for('no key update');
  });
}

/**
 * Writes a person's new, unexpired password. The time of a change is always later than the one
 * before, because it distinguishes one password from the next.
 * @param change `setAt` is when the password to replace was set, if a later one must stay
 * @returns false if there is a later one
 */
export async function writePassword(
  tx: Tx,
  change: { userId: string; passwordHash: string; setAt?: Date },
): Promise<boolean> {
  const { userId, passwordHash, setAt } = change;
  const later = sql`greatest(clock_timestamp(), ${users.passwordChangedAt} + interval '1 millisecond')`;
  const rows = await tx
    .update(users)
    .set({ passwordHash, passwordChangedAt: later, passwordExpiredAt: null })
    .where(and(eq(users.id, userId), setAt && eq(users.passwordChangedAt, setAt)))
    .returning({ id: users.id });
  return rows.length === 1;
}
