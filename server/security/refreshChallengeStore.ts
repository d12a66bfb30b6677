import { and, desc, eq, isNotNull, isNull } from 'drizzle-orm';
import type { Tx } from '../db';
import { stepUpChallenges } from '../db/schema';
import { VERIFIED_FOR_SEC, stillOpen, verifiedSince } from './challengeStore';
import type { Challenge } from './challengeStore';

/** The challenge that a refresh's 428 made for the chain end that it handed out. */
const boundTo = (tenantId: string, refreshTokenId: string) =>
  and(
    eq(stepUpChallenges.tenantId, tenantId),
    eq(stepUpChallenges.origin, 'refresh'),
    eq(stepUpChallenges.refreshTokenId, refreshTokenId),
  );

/**
 * Lets one refresh through: the verified challenge of this very link is used up, in one statement. A proof that was
 * given to any other challenge of the session opens no chain.
 */
export async function consumeRefreshChallenge(
  tx: Tx,
  tenantId: string,
  query: { refreshTokenId: string; now: Date },
): Promise<boolean> {
  const rows = await tx
    .update(stepUpChallenges)
    .set({ consumedAt: query.now })
    .where(
      and(
        boundTo(tenantId, query.refreshTokenId),
        isNull(stepUpChallenges.consumedAt),
        verifiedSince(query.now, VERIFIED_FOR_SEC),
      ),
    )
    .returning({ id: stepUpChallenges.id });
  return rows.length > 0;
}

/** Whether a proof let the refresh of this link through before. */
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

/** The challenge of a link that can still be answered. */
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
 * Ends the open challenges of a link that was spent without a proof.
 * @returns how many tries they had taken: the next challenge of the chain begins with those
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

/** The answer that set the cookies may have been lost: the browser that is answered now is the one that holds the chain. */
export async function bindToBrowser(
  tx: Tx,
  tenantId: string,
  { id, browserHash }: { id: string; browserHash: string | null },
): Promise<void> {
  const mine = and(eq(stepUpChallenges.tenantId, tenantId), eq(stepUpChallenges.id, id));
  await tx.update(stepUpChallenges).set({ browserHash }).where(mine);
}
