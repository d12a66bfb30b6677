import type { RequestContext } from '../context';
import type { Tx } from '../db';
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

/** A chain of refresh tokens, as one refresh leaves it. */
export interface ChainStep {
  /** The link that was presented. */
  spentId: string;
  /** The link that was handed out. */
  successorId: string;
  /** The same answer was given before, and is asked for again. */
  again: boolean;
}

/**
 * Whether a proof lets this refresh through: one that was given to the challenge of the presented link, which is used up
 * by it. If the answer is asked for again, the proof that was used up the first time still counts, but only at the place
 * that it was given from; and so does one that was given to the challenge of the first answer meanwhile.
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
 * Offers the challenge that opens the chain end which this refresh hands out, and nothing else. A challenge of the link
 * before ends unanswered: moved on to the new end, it would let the owner's proof open a chain that a thief has rotated.
 * The tries that it took are taken from the new one, so that asking twice does not double them.
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
