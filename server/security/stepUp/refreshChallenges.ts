import type { RequestContext } from '../../context';
import type { Tx } from '../../db';
import { OFFERED_AGAIN_MS, describeOffer, openChallenge } from './challenges';
import type { ChallengeDeps, ChallengeOffer, ChallengeRequest } from './challenges';
import { lockFactors } from './factorStore';
import { listAllowedMethods } from './proofs';
import {
  consumeRefreshChallenge,
  endRefreshChallenges,
  bindToBrowser,
  findOpenRefreshChallenge,
  wasConsumed,
} from './refreshChallengeStore';

/** A chain of refresh tokens after one refresh. */
export interface ChainStep {
  /** The token that was presented. */
  spentId: string;
  /** The new token that was returned. */
  successorId: string;
  /** True if the same answer was given before and the client retries. */
  again: boolean;
}

/**
 * Decides whether a proof lets this refresh through: it must have been given to the challenge of
 * the presented token, and is consumed. For a retry, a proof consumed the first time still counts,
 * but only if the retry comes from the origin that this proof confirmed. A proof given since to the
 * challenge of the first answer counts too.
 */
export async function passByProof(
  tx: Tx,
  tenantId: string,
  step: ChainStep & { atProvenHome: boolean; now: Date },
): Promise<boolean> {
  const { spentId, successorId, again, atProvenHome, now } = step;
  if (await consumeRefreshChallenge(tx, tenantId, { refreshTokenId: spentId, now })) return true;
  if (!again) return false;
  if (atProvenHome && (await wasConsumed(tx, tenantId, spentId))) return true;
  return consumeRefreshChallenge(tx, tenantId, { refreshTokenId: successorId, now });
}

/**
 * Offers a challenge that is valid only for the token that this refresh returns. The challenge of
 * the previous token ends unanswered: if it moved to the new token, the owner's proof could unlock
 * a chain that a thief has rotated. The new challenge starts with the tries already used, so that
 * asking twice does not double them.
 */
export async function offerRefreshChallenge(
  deps: ChallengeDeps,
  tx: Tx,
  ctx: RequestContext,
  request: Omit<ChallengeRequest, 'origin' | 'refreshTokenId' | 'attempts'>,
  step: ChainStep,
): Promise<ChallengeOffer> {
  const { tenantId, staffId } = request;
  const refreshTokenId = step.successorId;
  await lockFactors(tx, tenantId, staffId);
  const now = deps.clock.now();
  const methods = await listAllowedMethods(deps, tx, request);
  const open =
    step.again && (await findOpenRefreshChallenge(tx, tenantId, { refreshTokenId, now }));
  if (open && open.expiresAt.getTime() - now.getTime() > OFFERED_AGAIN_MS) {
    await bindToBrowser(tx, tenantId, { id: open.id, browserHash: request.browserHash ?? null });
    return describeOffer(deps.keys, open, methods, { origin: 'refresh' });
  }
  const link = step.again ? refreshTokenId : step.spentId;
  const attempts = await endRefreshChallenges(tx, tenantId, { refreshTokenId: link, now });
  const bound = { ...request, origin: 'refresh' as const, refreshTokenId, attempts };
  const opened = await openChallenge(deps, tx, ctx, bound, methods);
  return describeOffer(deps.keys, opened, methods, { origin: 'refresh' });
}
