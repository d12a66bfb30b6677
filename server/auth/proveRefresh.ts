import type { RequestContext } from '../context';
import { AppError } from '../errors';
import {
  isAtProvenHome,
  learnFromSuccess,
  noteDecision,
  offerRefreshChallenge,
  passByProof,
} from '../security';
import type { AnomalyInput, RiskAssessment } from '../security';
import { recordRisk } from './recordRisk';
import type { RefreshDeps, RefreshInput, Rotation } from './rotate';
import { moveSessionHome } from './sessionStore';
import { withSessionTable } from './withSessionTable';

type Judged = Rotation &
  Pick<RefreshInput, 'device'> & { attempt: AnomalyInput; risk: RiskAssessment };

/** @returns undefined if a proof lets the refresh through; else what its 428 offers */
function settle(deps: RefreshDeps, ctx: RequestContext, judged: Judged) {
  const { token, again, risk, attempt, device } = judged;
  const { tenantId, userId, staffId, sessionId, sessionVersion, spentId, successorId } = token;
  const { score, reasons } = risk;
  const step = { spentId, successorId, again };
  return withSessionTable(deps, (mode) =>
    deps.db.transaction(async (tx) => {
      const now = deps.clock.now();
      const proof = { ...step, atProvenHome: isAtProvenHome(attempt), now };
      const passed = await passByProof(tx, tenantId, proof);
      const outcome = passed ? 'passed' : 'challenged';
      await recordRisk(tx, ctx, token, { at: 'refresh', risk, outcome });
      if (passed) {
        const { country, network } = attempt;
        // What came along, and no cookie that this answer does not set: the next refresh must be able to show it.
        const home = { country, network, deviceHashes: device.hashes, now };
        if (mode === 'normal' && sessionId !== null)
          await moveSessionHome(tx, tenantId, { sessionId, ...home });
        return undefined;
      }
      const owner = { tenantId, userId, staffId, sessionId, sessionVersion };
      const purpose = 'security_settings' as const;
      const request = { ...owner, purpose, score, reasons, browserHash: device.browserHash };
      return offerRefreshChallenge(deps, tx, ctx, request, step);
    }),
  );
}

/**
 * The proof that was given to the challenge of the presented link lets the refresh through, once, and the session is at
 * home from now on where it was given. Without one the client gets the rotated token with a challenge, since with the
 * old one it would look like a thief.
 * @throws AppError STEP_UP_REQUIRED with the rotated token
 */
export async function demandStepUp(
  deps: RefreshDeps,
  ctx: RequestContext,
  judged: Judged,
): Promise<void> {
  const { token, refreshToken, risk, device } = judged;
  const { tenantId, userId, staffId, sessionId } = token;
  const { score, reasons } = risk;
  const offer = await settle(deps, ctx, judged);
  const outcome = offer ? 'challenged' : 'passed';
  await noteDecision(deps, ctx, { at: 'refresh', tenantId, staffId, sessionId, risk, outcome });
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
  throw new AppError('STEP_UP_REQUIRED', {
    extra: {
      requiresStepUp: true,
      purpose: 'security_settings',
      refreshToken,
      score,
      reasons,
      ...offer,
    },
  });
}
