import { and, eq, isNull } from 'drizzle-orm';
import type { Db, Tx } from '../../db';
import { MAY_SIGN_IN } from '../../db/maySignIn';
import { stepUpChallenges, tenantStaff, tenants, users } from '../../db/schema';
import { acrossTenants } from '../../db/tenantScope';
import { VERIFIED_FOR_SEC, verifiedSince } from './challengeStore';

/**
 * Matches a login's challenge that demands an enrolment: verified, not too old, not used and not
 * ended.
 */
const enrols = (id: string, now: Date) =>
  and(
    eq(stepUpChallenges.id, id),
    eq(stepUpChallenges.origin, 'login'),
    eq(stepUpChallenges.mustEnrol, true),
    // As long as it waits for its login.
    verifiedSince(now, VERIFIED_FOR_SEC),
    isNull(stepUpChallenges.consumedAt),
  );

/** Finds the person who may enrol with this challenge; undefined if nobody may. */
export function findEnrolling(db: Db, id: string, now: Date) {
  return acrossTenants(db, 'challenge', async (tx) => {
    const [row] = await tx
      .select({
        tenantId: tenantStaff.tenantId,
        userId: tenantStaff.userId,
        staffId: tenantStaff.id,
        sessionVersion: tenantStaff.sessionVersion,
        email: users.email,
        slug: tenants.slug,
        name: tenants.name,
      })
      .from(stepUpChallenges)
      .innerJoin(
        tenantStaff,
        and(
          eq(tenantStaff.tenantId, stepUpChallenges.tenantId),
          eq(tenantStaff.id, stepUpChallenges.staffId),
        ),
      )
      .innerJoin(users, eq(users.id, tenantStaff.userId))
      .innerJoin(tenants, eq(tenants.id, tenantStaff.tenantId))
      .where(and(enrols(id, now), MAY_SIGN_IN));
    return row;
  });
}

/**
 * Returns whether a login waits for a factor to be enrolled with this challenge.
 * @param query `ofPassword`: only if it is a login with the password
 */
export function mustStillEnrol(
  db: Db,
  query: { id: string; staffId?: string; ofPassword?: true; now: Date },
): Promise<boolean> {
  return acrossTenants(db, 'challenge', async (tx) => {
    const rows = await tx
      .select({ id: stepUpChallenges.id })
      .from(stepUpChallenges)
      .where(
        and(
          enrols(query.id, query.now),
          query.staffId ? eq(stepUpChallenges.staffId, query.staffId) : undefined,
          query.ofPassword ? isNull(stepUpChallenges.ssoConnectionId) : undefined,
        ),
      );
    return rows.length === 1;
  });
}

/**
 * Records in one statement that the factor was enrolled: the challenge enrols no second one, and
 * its login may go on.
 * @returns false if the challenge no longer allows an enrolment
 */
export async function noteEnrolled(
  tx: Tx,
  tenantId: string,
  query: { id: string; staffId: string; now: Date },
): Promise<boolean> {
  const rows = await tx
    .update(stepUpChallenges)
    .set({ mustEnrol: false })
    .where(
      and(
        enrols(query.id, query.now),
        eq(stepUpChallenges.tenantId, tenantId),
        eq(stepUpChallenges.staffId, query.staffId),
      ),
    )
    .returning({ id: stepUpChallenges.id });
  return rows.length === 1;
}
