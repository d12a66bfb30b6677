import { and, eq, isNull, or, sql } from 'drizzle-orm';
import type { Tx } from '../db';
import { invitations, tenantStaff, users } from '../db/schema';

const PENDING = and(isNull(invitations.acceptedAt), isNull(invitations.revokedAt));
const ofTenant = (tenantId: string) => eq(invitations.tenantId, tenantId);

/**
 * Marks as revoked the invitations that a member has sent, or that were sent to their address, and
 * that nobody has accepted.
 * @returns their ids, with whether the member was their inviter
 */
export async function markRevokedOf(
  tx: Tx,
  tenantId: string,
  staffId: string,
): Promise<{ id: string; ofInviter: boolean }[]> {
  const address = tx
    .select({ email: users.email })
    .from(users)
    .innerJoin(tenantStaff, eq(tenantStaff.userId, users.id))
    .where(and(eq(tenantStaff.tenantId, tenantId), eq(tenantStaff.id, staffId)));
  const ofMember = or(eq(invitations.inviterStaffId, staffId), eq(invitations.email, address));
  return tx
    .update(invitations)
    .set({ revokedAt: sql`clock_timestamp()`, codeHash: null, codeExpiresAt: null })
    .where(and(ofTenant(tenantId), PENDING, ofMember))
    .returning({
      id: invitations.id,
      ofInviter: sql<boolean>`${invitations.inviterStaffId} IS NOT DISTINCT FROM ${staffId}::uuid`,
    });
}

/**
 * Marks all invitations of a tenant as revoked that nobody has accepted.
 * @returns their ids
 */
export async function markAllRevoked(tx: Tx, tenantId: string): Promise<string[]> {
  const rows = await tx
    .update(invitations)
    .set({ revokedAt: sql`clock_timestamp()`, codeHash: null, codeExpiresAt: null })
    .where(and(ofTenant(tenantId), PENDING))
    .returning({ id: invitations.id });
  return rows.map(({ id }) => id);
}
