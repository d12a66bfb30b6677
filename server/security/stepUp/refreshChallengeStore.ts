import { and, desc, eq, isNotNull } from 'drizzle-orm';
import type { Tx } from '../../db';
import { stepUpChallenges } from '../../db/schema';
import { VERIFIED_FOR_SEC, consumeChallenges, stillOpen, verifiedSince } from './challengeStore';
import type { Challenge } from './challengeStore';

/** Matches the challenge that the 428 of a refresh created for the token that it returned. */
const boundTo = (tenantId: string, refreshTokenId: string) =>
  and(
    eq(stepUpChallenges.tenantId, tenantId),
    eq(stepUpChallenges.origin, 'refresh'),
    eq(stepUpChallenges.refreshTokenId, refreshTokenId),
  );

/**
 * Consumes the verified challenge of this token, in one statement, to let one refresh through. A
 * proof given to any other challenge of the session is not accepted.
 */
export async function consumeRefreshChallenge(
  tx: Tx,
  tenantId: string,
  query: { refreshTokenId: string; now: Date },
): Promise<boolean> {
  const verified = and(
    boundTo(tenantId, query.refreshTokenId),
    verifiedSince(query.now, VERIFIED_FOR_SEC),
  );
  return (await consumeChallenges(tx, verified, query.now)).length > 0;
}

/** Returns whether a proof already let the refresh of this token through. */
export async function wasConsumed(
  tx: Tx,
  tenantId: string,
  refreshTokenId: string,
): Promise<boolean> {
  const rows = await tx
    .select({ id: stepUpChallenges.id })
    .from(stepUpChallenges)
    .where(and(boundTo(tenantId, refreshTokenId), isNotNull(stepUpChallenges.consumedAt)))
    .limit(1);
  return rows.length > 0;
}

/** Finds the challenge of a token that can still be answered. */
export async function findOpenRefreshChallenge(
  tx: Tx,
  tenantId: string,
  query: { refreshTokenId: string; now: Date },
): Promise<Challenge | undefined> {
  const [row] = await tx
    .select()
    .from(stepUpChallenges)
    .where(and(boundTo(tenantId, query.refreshTokenId), stillOpen(query.now)))
    .orderBy(desc(stepUpChallenges.createdAt))
    .limit(1);
  return row;
}

/**
 * Ends the open challenges of a token that was spent without a proof.
 * @returns how many tries they had used; the next challenge of the chain starts with that number
 */
export async function endRefreshChallenges(
  tx: Tx,
  tenantId: string,
  query: { refreshTokenId: string; now: Date },
): Promise<number> {
  const rows = await tx
    .update(stepUpChallenges)
    .set({ revokedAt: query.now })
    .where(and(boundTo(tenantId, query.refreshTokenId), stillOpen(query.now)))
    .returning({ attempts: stepUpChallenges.attempts });
  return Math.max(0, ...rows.map(({ attempts }) => attempts));
}

/**
 * Binds the challenge to the browser that gets this answer: it holds the chain, and the answer that
 * set the cookies before may have been lost.
 */
export async function bindToBrowser(
  tx: Tx,
  tenantId: string,
  { id, browserHash }: { id: string; browserHash: string | null },
): Promise<void> {
  const mine = and(eq(stepUpChallenges.tenantId, tenantId), eq(stepUpChallenges.id, id));
  await tx.update(stepUpChallenges).set({ browserHash }).where(mine);
}
