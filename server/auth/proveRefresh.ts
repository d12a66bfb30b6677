import type { RequestContext } from '../context';
import {
  conclude,
  isAtProvenHome,
  learnFromSuccess,
  offerRefreshChallenge,
  passByProof,
  settle,
  stepUpRequired,
} from '../security';
import type { RefreshVerdict } from '../security';
import type { RefreshDeps, RefreshInput, Rotation } from './rotate';
import { moveSessionHome } from './sessionStore';
import { withSessionTable } from './withSessionTable';
import { inTenant } from '../db/tenantScope';

type Judged = Rotation & Pick<RefreshInput, 'device'> & { verdict: RefreshVerdict };

/** Every proof that a refresh gives is one for this purpose. */
const PURPOSE = 'security_settings' as const;

/**
 * Consumes the proof of the presented token, or offers a challenge.
 * @returns undefined if a proof lets the refresh through; otherwise the challenge offer for the 428
 * answer
 */
function proveOrOffer(deps: RefreshDeps, ctx: RequestContext, judged: Judged) {
  const { token, again, verdict, device } = judged;
  const { attempt, risk } = verdict;
  const { tenantId, userId, staffId, sessionId, sessionVersion, spentId, successorId } = token;
  const { score, reasons } = risk;
  const step = { spentId, successorId, again };
  return withSessionTable(deps, (mode) =>
    inTenant(deps.db, tenantId, async (tx) => {
      const now = deps.clock.now();
      const proof = { ...step, atProvenHome: isAtProvenHome(attempt), now };
      const passed = await passByProof(tx, tenantId, proof);
      await settle(deps, tx, ctx, verdict, passed ? 'passed' : 'challenged');
      if (passed) {
        const { country, network } = attempt;
        // Store the presented hashes, not those of a cookie that this answer does not set: the next
        // refresh must be able to present them.
        const home = { country, network, deviceHashes: device.hashes, now };
        if (mode === 'normal' && sessionId !== null)
          await moveSessionHome(tx, tenantId, { sessionId, ...home });
        return undefined;
      }
      const owner = { tenantId, userId, staffId, sessionId, sessionVersion };
      const request = {
        ...owner,
        purpose: PURPOSE,
        score,
        reasons,
        browserHash: device.browserHash,
      };
      return offerRefreshChallenge(deps, tx, ctx, request, step);
    }),
  );
}

/**
 * Lets the refresh through, once, if the challenge of the presented token was verified; the
 * session's origin then moves to the place of this refresh. Otherwise the client gets the rotated
 * token with a challenge, because a retry with the old token would look like theft.
 * @throws AppError STEP_UP_REQUIRED with the rotated token
 */
export async function demandStepUp(
  deps: RefreshDeps,
  ctx: RequestContext,
  judged: Judged,
): Promise<void> {
  const { token, refreshToken, verdict, device } = judged;
  const { tenantId, userId, staffId, sessionId } = token;
  const { score, reasons } = verdict.risk;
  const offer = await proveOrOffer(deps, ctx, judged);
  await conclude(deps, ctx, verdict, offer ? 'challenged' : 'passed');
  if (!offer) {
    const deviceHashes = device.hashes;
    return learnFromSuccess(deps, ctx, {
      tenantId,
      userId,
      staffId,
      sessionId,
      deviceHashes,
      renewed: device.renewed,
    });
  }
  deps.metrics.refreshes.inc({ outcome: 'step_up' });
  throw stepUpRequired(PURPOSE, offer, { refreshToken, score, reasons });
}
