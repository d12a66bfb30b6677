import { and, desc, eq, gt, inArray, isNull, lt, ne, or, sql } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { stepUpChallenges, tenantStaff } from '../db/schema';
import type { ChallengeOrigin, StepUpPurpose } from '../db/schema';

export type Challenge = typeof stepUpChallenges.$inferSelect;
export type NewChallenge = typeof stepUpChallenges.$inferInsert;

/** Five tries a challenge. */
export const MAX_ATTEMPTS = 5;

/**
 * Nothing has ended it: it was not revoked, and the staff member's version is still the one that it was opened under, so
 * that it dies with the sessions even if the row was missed. An older row has no version. One of a login then counts as
 * ended, because nothing excludes that the sessions were ended meanwhile. One of a session or a refresh does not need it:
 * that session, or its token, is itself checked against the version whenever the challenge is used.
 */
export const notEnded = () =>
  and(
    isNull(stepUpChallenges.revokedAt),
    or(
      eq(
        stepUpChallenges.sessionVersion,
        sql`(SELECT ${tenantStaff.sessionVersion} FROM ${tenantStaff}
          WHERE ${tenantStaff.tenantId} = ${stepUpChallenges.tenantId}
            AND ${tenantStaff.id} = ${stepUpChallenges.staffId})`,
      ),
      and(isNull(stepUpChallenges.sessionVersion), ne(stepUpChallenges.origin, 'login')),
    ),
  );

/** A challenge that can still be verified: nothing has ended it, not verified yet, in time, with tries left. */
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

/** By its id alone: the id's tag has proven that we handed it to whoever asks. */
export async function findChallenge(db: Db, id: string): Promise<Challenge | undefined> {
  const [row] = await db.select().from(stepUpChallenges).where(eq(stepUpChallenges.id, id));
  return row;
}

/** Where a challenge arose, and what for. */
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

/** The open challenges of a session, newest first; for one act alone, or for none, if that is given. */
export async function listOpenChallenges(
  db: Db,
  tenantId: string,
  query: SessionQuery & { actDigest?: string | null },
): Promise<Challenge[]> {
  const { actDigest, now } = query;
  const { actDigest: column } = stepUpChallenges;
  const ofAct = actDigest === null ? isNull(column) : actDigest && eq(column, actDigest);
  return db
    .select()
    .from(stepUpChallenges)
    .where(and(ofSession(tenantId, query), ofAct || undefined, stillOpen(now)))
    .orderBy(desc(stepUpChallenges.createdAt), desc(stepUpChallenges.id));
}

/** How long the same answer to the same challenge gets the same result. */
const REPEATED_FOR_SEC = 60;

/** The challenges of a session that were verified a moment ago, newest first. */
export async function listJustVerified(
  db: Db,
  tenantId: string,
  query: SessionQuery,
): Promise<Challenge[]> {
  return db
    .select()
    .from(stepUpChallenges)
    .where(and(ofSession(tenantId, query), verifiedSince(query.now, REPEATED_FOR_SEC)))
    .orderBy(desc(stepUpChallenges.verifiedAt), desc(stepUpChallenges.id));
}

/**
 * Whether this very answer verified the challenge a moment ago: a double click, or an answer that was lost.
 * @returns the challenge, or undefined if another answer did, it is too long ago, or something has ended it since
 */
export async function findRepeated(
  db: Db,
  query: { id: string; answerHashes: readonly string[]; now: Date },
): Promise<Challenge | undefined> {
  const [row] = await db
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
}

/**
 * Takes one of the challenge's tries before it is evaluated, so that parallel guesses cannot share one.
 * @returns the tries taken so far, or undefined where none was left
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
 * Keeps what a passkey has to sign, in place of what it had to before.
 * @param kept base64url, and the time of now
 * @returns false where the challenge is not open any more
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
 * Takes away what a passkey had to sign, in one statement: a response works once.
 * @param challenge as it was when the response was checked
 * @returns false where it was taken or replaced in the meantime
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
export const VERIFIED_FOR_SEC = 600;
/** No challenge lets anything through after this time: it was open for ten minutes, and verified for fifteen at most. */
const USABLE_FOR_MS = 3_600_000;
export const verifiedSince = (now: Date, seconds: number) =>
  and(gt(stepUpChallenges.verifiedAt, new Date(now.getTime() - seconds * 1000)), notEnded());

/** A challenge that can let one login through now. */
export const usableLoginChallenge = (id: string, now: Date) =>
  and(
    eq(stepUpChallenges.id, id),
    eq(stepUpChallenges.origin, 'login'),
    isNull(stepUpChallenges.consumedAt),
    verifiedSince(now, VERIFIED_FOR_SEC),
  );

/**
 * Lets one login through: consumed in one statement, by one request, once.
 * @param staffId whose login it must be, where that is known
 * @param passwordShown true if the password was right just now; else a challenge to which it is still due lets nobody in
 * @returns the challenge, or undefined if it is not verified, too old, used or ended
 */
export async function consumeLoginChallenge(
  tx: Tx,
  query: { id: string; staffId?: string; passwordShown?: true; now: Date },
): Promise<Challenge | undefined> {
  const [row] = await tx
    .update(stepUpChallenges)
    .set({ consumedAt: query.now })
    .where(
      and(
        usableLoginChallenge(query.id, query.now),
        query.staffId ? eq(stepUpChallenges.staffId, query.staffId) : undefined,
        eq(stepUpChallenges.mustEnrol, false),
        query.passwordShown ? undefined : eq(stepUpChallenges.passwordDue, false),
      ),
    )
    .returning();
  return row;
}

/** Ends one challenge that another takes the place of. */
export async function endChallenge(
  tx: Tx,
  tenantId: string,
  query: { id: string; now: Date },
): Promise<void> {
  await tx
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
}

/**
 * Ends the challenges of a staff member that are open, or verified and not used yet. It is called after a factor is
 * gone: a proof that was given with it is either too late to be spent, or verified by now, and ended here.
 * @param whose all of them, or those of one session
 */
export async function endChallenges(
  tx: Tx,
  tenantId: string,
  whose: { staffId: string; sessionId?: string; now: Date },
): Promise<void> {
  await tx
    .update(stepUpChallenges)
    .set({ revokedAt: whose.now })
    .where(
      and(
        eq(stepUpChallenges.tenantId, tenantId),
        eq(stepUpChallenges.staffId, whose.staffId),
        whose.sessionId ? eq(stepUpChallenges.sessionId, whose.sessionId) : undefined,
        isNull(stepUpChallenges.consumedAt),
        isNull(stepUpChallenges.revokedAt),
        // Older ones can let nothing through any more, and stay what they were in the evidence.
        gt(stepUpChallenges.createdAt, new Date(whose.now.getTime() - USABLE_FOR_MS)),
      ),
    );
}
