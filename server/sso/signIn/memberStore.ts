import { and, eq, sql } from 'drizzle-orm';
import type { Tx } from '../../db';
import { MAY_SIGN_IN, NOT_ENDED } from '../../db/maySignIn';
import { tenantStaff, tenants, userSessions, users } from '../../db/schema';
import { inTenant } from '../../db/tenantScope';

/** The member of a tenant who has an address. */
export interface AddressedMember {
  staffId: string;
  userId: string;
  active: boolean;
}

/**
 * Finds the member of a tenant whose own address this is, and locks their row: nobody can be removed
 * while they are linked. Former members are not found.
 * @param email in its normal form
 */
export const lockMemberByAddress = (
  tx: Tx,
  tenantId: string,
  email: string,
): Promise<AddressedMember | undefined> =>
  inTenant(tx, tenantId, async (own) => {
    const [row] = await own
      .select({ staffId: tenantStaff.id, userId: tenantStaff.userId, active: MAY_SIGN_IN })
      .from(tenantStaff)
      .innerJoin(users, eq(users.id, tenantStaff.userId))
      .innerJoin(tenants, eq(tenants.id, tenantStaff.tenantId))
      .where(
        and(
          eq(tenantStaff.tenantId, tenantId),
          eq(users.email, email),
          sql`${tenantStaff.status} <> 'removed'`,
        ),
      )
      .for('no key update', { of: tenantStaff });
    return row;
  });

/** Locks a member's row, and returns whether they are active and this session of theirs is live. */
export const lockLiveSession = (
  tx: Tx,
  tenantId: string,
  { staffId, sessionId }: { staffId: string; sessionId: string },
): Promise<boolean> =>
  inTenant(tx, tenantId, async (own) => {
    const [member] = await own
      .select({ version: tenantStaff.sessionVersion })
      .from(tenantStaff)
      .where(
        and(
          eq(tenantStaff.tenantId, tenantId),
          eq(tenantStaff.id, staffId),
          eq(tenantStaff.status, 'active'),
          NOT_ENDED,
        ),
      )
      .for('no key update');
    if (!member) return false;
    const live = await own
      .select({ id: userSessions.id })
      .from(userSessions)
      .where(
        and(
          eq(userSessions.tenantId, tenantId),
          eq(userSessions.staffId, staffId),
          eq(userSessions.id, sessionId),
          eq(userSessions.sessionVersion, member.version),
          sql`${userSessions.revokedAt} IS NULL AND ${userSessions.expiresAt} > clock_timestamp()`,
        ),
      );
    return live.length === 1;
  });

/**
 * Reads the session version of a member whose identity was found in the same transaction. Whatever
 * ends the link, or the member's sessions, changes it.
 */
export const readSessionVersion = (tx: Tx, tenantId: string, staffId: string): Promise<number> =>
  inTenant(tx, tenantId, async (own) => {
    const [member] = await own
      .select({ version: tenantStaff.sessionVersion })
      .from(tenantStaff)
      .where(and(eq(tenantStaff.tenantId, tenantId), eq(tenantStaff.id, staffId)));
    if (!member) throw new Error('a link has no member');
    return member.version;
  });
