import { and, eq } from 'drizzle-orm';
import type { Db, Tx } from '../../db';
import { MAY_SIGN_IN } from '../../db/maySignIn';
import { stepUpChallenges, tenantStaff, tenants, users } from '../../db/schema';
import { acrossTenants, inTenant } from '../../db/tenantScope';
import type { BegunLogin } from './begunLogin';
import { usableLoginChallenge } from './challengeStore';

/**
 * @returns the id of the user whose second factor was shown to this begun login, if it can still
 * let a login through
 */
export function findShownFactorOwner(db: Db, id: string, now: Date): Promise<string | undefined> {
  return acrossTenants(db, 'challenge', async (tx) => {
    const [row] = await tx
      .select({ userId: stepUpChallenges.userId })
      .from(stepUpChallenges)
      .where(and(usableLoginChallenge(id, now), eq(stepUpChallenges.passwordDue, true)));
    return row?.userId;
  });
}

/**
 * Stores a begun login whose factor was shown, as a verified challenge that still needs the
 * password.
 * @returns false if it is stored already, or since it began the membership, the person or the tenant
 * was disabled or the person's sessions were ended
 */
export function insertShownFactor(
  tx: Tx,
  begun: BegunLogin,
  proof: { method: string; answerHash: string; now: Date; createdAt: Date },
): Promise<boolean> {
  return inTenant(tx, begun.tenantId, async (own) => {
    const { id, tenantId, userId, staffId, sessionVersion, expiresAt, rememberMe } = begun;
    const [staff] = await own
      .select({ sessionVersion: tenantStaff.sessionVersion })
      .from(tenantStaff)
      .innerJoin(users, eq(users.id, tenantStaff.userId))
      .innerJoin(tenants, eq(tenants.id, tenantStaff.tenantId))
      .where(and(eq(tenantStaff.tenantId, tenantId), eq(tenantStaff.id, staffId), MAY_SIGN_IN));
    if (staff?.sessionVersion !== sessionVersion) return false;
    const rows = await own
      .insert(stepUpChallenges)
      .values({
        ...{ id, tenantId, userId, staffId, sessionVersion, expiresAt, rememberMe },
        origin: 'login',
        purpose: 'security_settings',
        passwordDue: true,
        createdAt: proof.createdAt,
        verifiedAt: proof.now,
        verifiedMethod: proof.method,
        answerHash: proof.answerHash,
      })
      .onConflictDoNothing()
      .returning({ id: stepUpChallenges.id });
    return rows.length === 1;
  });
}
