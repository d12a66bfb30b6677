import { and, eq } from 'drizzle-orm';
import type { Tx } from '../db';
import { tenantStaff, users } from '../db/schema';
import type { AccountStatus } from '../db/schema';
import { inTenant } from '../db/tenantScope';

export interface ExistingMembership {
  staffId: string;
  status: AccountStatus;
}

/** Finds the membership of the person with this stored address, also a former one. */
export function findMembershipByEmail(
  tx: Tx,
  tenantId: string,
  email: string,
): Promise<ExistingMembership | undefined> {
  return inTenant(tx, tenantId, async (own) => {
    const [row] = await own
      .select({ staffId: tenantStaff.id, status: tenantStaff.status })
      .from(tenantStaff)
      .innerJoin(users, eq(users.id, tenantStaff.userId))
      .where(and(eq(tenantStaff.tenantId, tenantId), eq(users.email, email)));
    return row;
  });
}

/** Returns whether the person is active and still has this address. */
export async function isActivePerson(
  tx: Tx,
  { userId, email }: { userId: string; email: string },
): Promise<boolean> {
  const rows = await tx
    .select({ id: users.id })
    .from(users)
    .where(and(eq(users.id, userId), eq(users.email, email), eq(users.status, 'active')));
  return rows.length === 1;
}

/**
 * Makes a former member a member again. Their session version stays, so that nothing of their
 * earlier membership comes back.
 */
export function reviveStaff(
  tx: Tx,
  tenantId: string,
  {
    staffId,
    ...access
  }: { staffId: string; roles: string[]; permissions: string[]; endsAt: Date | null },
): Promise<void> {
  return inTenant(tx, tenantId, async (own) => {
    await own
      .update(tenantStaff)
      .set({ ...access, status: 'active', disabledAt: null, removedAt: null })
      .where(and(eq(tenantStaff.tenantId, tenantId), eq(tenantStaff.id, staffId)));
  });
}
