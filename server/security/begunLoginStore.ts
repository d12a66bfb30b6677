import { and, eq } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { stepUpChallenges, tenantStaff } from '../db/schema';
import type { BegunLogin } from './begunLogin';
import { usableLoginChallenge } from './challengeStore';

/** @returns whose second factor was shown to this challenge of a begun login, if it can still let a login through */
export async function findShownFactorOwner(
  db: Db,
  id: string,
  now: Date,
): Promise<string | undefined> {
  const [row] = await db
    .select({ userId: stepUpChallenges.userId })
    .from(stepUpChallenges)
    .where(and(usableLoginChallenge(id, now), eq(stepUpChallenges.passwordDue, true)));
  return row?.userId;
}

/**
 * Keeps a begun login whose factor was shown, as a verified challenge to which the password is still due.
 * @returns false if there is one already, or the member is not what they were when the login began
 */
export async function insertShownFactor(
  tx: Tx,
  begun: BegunLogin,
  proof: { method: string; answerHash: string; now: Date; createdAt: Date },
): Promise<boolean> {
  const { id, tenantId, userId, staffId, sessionVersion, expiresAt, rememberMe } = begun;
  const [staff] = await tx
    .select({ status: tenantStaff.status, sessionVersion: tenantStaff.sessionVersion })
    .from(tenantStaff)
    .where(and(eq(tenantStaff.tenantId, tenantId), eq(tenantStaff.id, staffId)));
  if (staff?.status !== 'active' || staff.sessionVersion !== sessionVersion) return false;
  const rows = await tx
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
}
