import { and, desc, eq, gt, inArray, isNull, lt, ne, or, sql } from 'drizzle-orm';
import type { SQL } from 'drizzle-orm';
import type { Db, Tx } from '../../db';
import { MAY_SIGN_IN } from '../../db/maySignIn';
import { stepUpChallenges, tenantStaff, tenants, users } from '../../db/schema';
import type { ChallengeOrigin, StepUpPurpose } from '../../db/schema';
import { acrossTenants, inTenant } from '../../db/tenantScope';
import { HOUR_MS, MINUTE_SEC, SECOND_MS } from '../../durations';

export type Challenge = typeof stepUpChallenges.$inferSelect;
export type NewChallenge = typeof stepUpChallenges.$inferInsert;

/** The number of tries per challenge. */
export const MAX_ATTEMPTS = 5;

/**
 * Matches challenges that nothing has ended: not revoked, and opened under the current session
 * version of a staff member who may sign in, so that a challenge ends with the sessions even if its
 * row was not updated. An older row has no version. For a login it then counts as ended, because the sessions
 * may have been ended since. For a session or a refresh that does not matter: the session or token
 * is itself checked against the version whenever the challenge is used.
 */
export const notEnded = () =>
  and(
    isNull(stepUpChallenges.revokedAt),
    or(
      eq(
        stepUpChallenges.sessionVersion,
        sql`(SELECT ${tenantStaff.sessionVersion} FROM ${tenantStaff}
          JOIN ${users} ON ${users.id} = ${tenantStaff.userId}
          JOIN ${tenants} ON ${tenants.id} = ${tenantStaff.tenantId}
          WHERE ${tenantStaff.tenantId} = ${stepUpChallenges.tenantId}
            AND ${tenantStaff.id} = ${stepUpChallenges.staffId} AND ${MAY_SIGN_IN})`,
      ),
      and(isNull(stepUpChallenges.sessionVersion), ne(stepUpChallenges.origin, 'login')),
    ),
  );

/**
 * Matches challenges that can still be verified: not ended, not yet verified, not expired, with
 * tries left.
 */
export const stillOpen = (now: Date) =>
  and(
    isNull(stepUpChallenges.revokedAt),
    isNull(stepUpChallenges.verifiedAt),
    gt(stepUpChallenges.expiresAt, now),
    lt(stepUpChallenges.attempts, MAX_ATTEMPTS),
    notEnded(),
  );

export async function insertChallenge(tx: Tx, row: NewChallenge): Promise<void> {
  await tx.insert(stepUpChallenges).values(row);
}

/**
 * Finds a challenge by its id alone: the tag of the id has proven that this server issued it to the
 * caller. The challenge of somebody who may not sign in any more is not found: a tenant can be
 * suspended before the challenges of its members are ended.
 */
export function findChallenge(db: Db, id: string): Promise<Challenge | undefined> {
  return acrossTenants(db, 'challenge', async (tx) => {
    const [row] = await tx
      .select({ challenge: stepUpChallenges })
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
      .where(and(eq(stepUpChallenges.id, id), MAY_SIGN_IN));
    return row?.challenge;
  });
}

/** Selects challenges by session, purpose and origin. */
export interface SessionQuery {
  sessionId: string;
  purpose: StepUpPurpose;
  origin: ChallengeOrigin;
  now: Date;
}

const ofSession = (tenantId: string, query: SessionQuery) =>
  and(
    eq(stepUpChallenges.tenantId, tenantId),
    eq(stepUpChallenges.sessionId, query.sessionId),
    eq(stepUpChallenges.purpose, query.purpose),
    eq(stepUpChallenges.origin, query.origin),
  );

/**
 * Lists the open challenges of a session, newest first; if `actDigest` is given, only those for
 * that act, or those for no act if it is null.
 */
export function listOpenChallenges(
  db: Db,
  tenantId: string,
  query: SessionQuery & { actDigest?: string | null },
): Promise<Challenge[]> {
  return inTenant(db, tenantId, async (tx) => {
    const { actDigest, now } = query;
    const { actDigest: column } = stepUpChallenges;
    const ofAct = actDigest === null ? isNull(column) : actDigest && eq(column, actDigest);
    return tx
      .select()
      .from(stepUpChallenges)
      .where(and(ofSession(tenantId, query), ofAct || undefined, stillOpen(now)))
      .orderBy(desc(stepUpChallenges.createdAt), desc(stepUpChallenges.id));
  });
}

/** How long the same answer to the same challenge gets the same result. */
const REPEATED_FOR_SEC = MINUTE_SEC;

/** Lists the challenges of a session that were verified within the last minute, newest first. */
export function listJustVerified(
  db: Db,
  tenantId: string,
  query: SessionQuery,
): Promise<Challenge[]> {
  return inTenant(db, tenantId, async (tx) => {
    return tx
      .select()
      .from(stepUpChallenges)
      .where(and(ofSession(tenantId, query), verifiedSince(query.now, REPEATED_FOR_SEC)))
      .orderBy(desc(stepUpChallenges.verifiedAt), desc(stepUpChallenges.id));
  });
}

/**
 * Finds a challenge that this same answer verified within the last minute: a double click, or a
 * retry after a lost answer.
 * @returns the challenge, or undefined if another answer verified it, it is too old, or it has been
 * ended since
 */
export function findRepeated(
  db: Db,
  query: { id: string; answerHashes: readonly string[]; now: Date },
): Promise<Challenge | undefined> {
  return acrossTenants(db, 'challenge', async (tx) => {
    const [row] = await tx
      .select()
      .from(stepUpChallenges)
      .where(
        and(
          eq(stepUpChallenges.id, query.id),
          inArray(stepUpChallenges.answerHash, [...query.answerHashes]),
          verifiedSince(query.now, REPEATED_FOR_SEC),
        ),
      );
    return row;
  });
}

/**
 * Takes one of the challenge's tries before it is evaluated, so that parallel guesses cannot share
 * one.
 * @returns the tries taken so far, or undefined if none was left
 */
export async function takeAttempt(db: Db, id: string, now: Date): Promise<number | undefined> {
  const [row] = await db
    .update(stepUpChallenges)
    .set({ attempts: sql`${stepUpChallenges.attempts} + 1` })
    .where(and(eq(stepUpChallenges.id, id), stillOpen(now)))
    .returning({ attempts: stepUpChallenges.attempts });
  return row?.attempts;
}

/** @returns false if another request verified it first, or something has ended it */
export async function markVerified(
  tx: Tx,
  id: string,
  proof: { method: string; answerHash: string; now: Date },
): Promise<boolean> {
  const rows = await tx
    .update(stepUpChallenges)
    .set({ verifiedAt: proof.now, verifiedMethod: proof.method, answerHash: proof.answerHash })
    .where(and(eq(stepUpChallenges.id, id), isNull(stepUpChallenges.verifiedAt), notEnded()))
    .returning({ id: stepUpChallenges.id });
  return rows.length === 1;
}

/**
 * Stores the value that a passkey has to sign, replacing the one before.
 * @param kept the value in base64url, and the current time
 * @returns false if the challenge is no longer open
 */
export async function keepPasskeyChallenge(
  tx: Tx,
  id: string,
  kept: { passkeyChallenge: string; now: Date },
): Promise<boolean> {
  const rows = await tx
    .update(stepUpChallenges)
    .set({ passkeyChallenge: kept.passkeyChallenge })
    .where(and(eq(stepUpChallenges.id, id), stillOpen(kept.now)))
    .returning({ id: stepUpChallenges.id });
  return rows.length === 1;
}

/**
 * Removes the value that a passkey had to sign, in one statement, so that a response works once.
 * @param challenge as it was when the response was checked
 * @returns false if the value was removed or replaced in the meantime
 */
export async function spendPasskeyChallenge(
  tx: Tx,
  { id, passkeyChallenge }: Pick<Challenge, 'id' | 'passkeyChallenge'>,
): Promise<boolean> {
  if (passkeyChallenge === null) return false;
  const rows = await tx
    .update(stepUpChallenges)
    .set({ passkeyChallenge: null })
    .where(
      and(eq(stepUpChallenges.id, id), eq(stepUpChallenges.passkeyChallenge, passkeyChallenge)),
    )
    .returning({ id: stepUpChallenges.id });
  return rows.length === 1;
}

/** How long a verified challenge waits for the login or refresh that it lets through. */
export const VERIFIED_FOR_SEC = 10 * MINUTE_SEC;
/**
 * No challenge lets anything through after this time: it is open for at most ten minutes, and
 * usable for at most fifteen after it was verified.
 */
const USABLE_FOR_MS = HOUR_MS;
export const verifiedSince = (now: Date, seconds: number) =>
  and(gt(stepUpChallenges.verifiedAt, new Date(now.getTime() - seconds * SECOND_MS)), notEnded());

/** Matches a challenge that can let one login through now. */
export const usableLoginChallenge = (id: string, now: Date) =>
  and(
    eq(stepUpChallenges.id, id),
    eq(stepUpChallenges.origin, 'login'),
    isNull(stepUpChallenges.consumedAt),
    verifiedSince(now, VERIFIED_FOR_SEC),
  );

/**
 * Consumes the challenges that match and are not consumed yet. It is one statement, so of two
 * requests at once only one gets a challenge.
 * @returns the consumed challenges
 */
export const consumeChallenges = (tx: Tx, which: SQL | undefined, now: Date) =>
  tx
    .update(stepUpChallenges)
    .set({ consumedAt: now })
    .where(and(isNull(stepUpChallenges.consumedAt), which))
    .returning();

/**
 * Consumes a challenge for one login, in one statement, so that only one request can use it.
 * @param staffId the staff member who must own it, if known
 * @param passwordShown true if the password was right just now. Then the challenge of a provider's
 * sign-in is not consumed: it lets in that sign-in alone. Without it, a challenge that still needs
 * the password is not consumed.
 * @returns the challenge, or undefined if it is not verified, too old, used or ended
 */
export async function consumeLoginChallenge(
  tx: Tx,
  query: { id: string; staffId?: string; passwordShown?: true; now: Date },
): Promise<Challenge | undefined> {
  const usable = and(
    usableLoginChallenge(query.id, query.now),
    query.staffId ? eq(stepUpChallenges.staffId, query.staffId) : undefined,
    eq(stepUpChallenges.mustEnrol, false),
    query.passwordShown
      ? isNull(stepUpChallenges.ssoConnectionId)
      : eq(stepUpChallenges.passwordDue, false),
  );
  const [row] = await consumeChallenges(tx, usable, query.now);
  return row;
}

/** Ends an unverified challenge that another one replaces. */
export function endChallenge(
  tx: Tx,
  tenantId: string,
  query: { id: string; now: Date },
): Promise<void> {
  return inTenant(tx, tenantId, async (own) => {
    await own
      .update(stepUpChallenges)
      .set({ revokedAt: query.now })
      .where(
        and(
          eq(stepUpChallenges.tenantId, tenantId),
          eq(stepUpChallenges.id, query.id),
          isNull(stepUpChallenges.verifiedAt),
          isNull(stepUpChallenges.revokedAt),
        ),
      );
  });
}

/**
 * Ends the challenges of a staff member that are open, or verified and unused. Call it after a
 * factor is removed: a proof given with that factor either arrives too late, or has verified its
 * challenge by now, which is ended here.
 * @param whose all of the staff member's challenges, or those of one session
 */
export function endChallenges(
  tx: Tx,
  tenantId: string,
  whose: { staffId: string; sessionId?: string; now: Date },
): Promise<void> {
  return inTenant(tx, tenantId, async (own) => {
    await own
      .update(stepUpChallenges)
      .set({ revokedAt: whose.now })
      .where(
        and(
          eq(stepUpChallenges.tenantId, tenantId),
          eq(stepUpChallenges.staffId, whose.staffId),
          whose.sessionId ? eq(stepUpChallenges.sessionId, whose.sessionId) : undefined,
          isNull(stepUpChallenges.consumedAt),
          isNull(stepUpChallenges.revokedAt),
          // Older challenges can let nothing through any more. They stay unchanged as evidence.
          gt(stepUpChallenges.createdAt, new Date(whose.now.getTime() - USABLE_FOR_MS)),
        ),
      );
  });
}
