import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { RiskOutcome } from '../db/schema';
import { AppError } from '../errors';
import { queueNotice } from '../mail';
import { assessRisk, describeAttempt, noteDecision, renewHashes } from '../security';
import type { RiskAssessment } from '../security';
import { decideRefresh } from './decideLogin';
import { forgetOrWarn, taughtBy } from './distrustSessions';
import { invalidateSessions } from './invalidateSessions';
import { toTokenPair } from './openSession';
import type { TokenPair } from './openSession';
import { demandStepUp } from './proveRefresh';
import { recordRisk } from './recordRisk';
import { looksLikeRefreshToken } from './refreshTokenSecrets';
import { resolveUnspent } from './resolveUnspent';
import { tryRotate } from './rotate';
import type { RefreshDeps, RefreshInput } from './rotate';
import type { RotatedToken } from './rotationStore';
import { withSessionTable } from './withSessionTable';

const note = (
  deps: RefreshDeps,
  ctx: RequestContext,
  { tenantId, staffId, sessionId }: RotatedToken,
  risk: RiskAssessment,
  outcome: RiskOutcome,
) => noteDecision(deps, ctx, { at: 'refresh', tenantId, staffId, sessionId, risk, outcome });

async function block(
  deps: RefreshDeps,
  ctx: RequestContext,
  token: RotatedToken,
  risk: RiskAssessment,
): Promise<never> {
  const { tenantId, staffId, sessionId } = token;
  await withSessionTable(deps, (mode) =>
    deps.db.transaction(async (tx) => {
      const what = { staffId, reason: 'security_event' as const, now: deps.clock.now() };
      await invalidateSessions(tx, ctx, mode, tenantId, what);
      await forgetOrWarn(deps, tx, tenantId, { staffId, ...taughtBy(sessionId) });
      await recordRisk(tx, ctx, token, { at: 'refresh', risk, outcome: 'blocked' });
      await recordAudit(tx, ctx, {
        action: 'LOGIN_BLOCKED',
        outcome: 'denied',
        tenantId,
        actor: staffId,
        sessionId,
        subject: `staff:${staffId}`,
        details: { at: 'refresh', score: risk.score, reasons: risk.reasons },
      });
      await queueNotice(deps, tx, ctx, token, { kind: 'forced_logout', by: 'score' });
    }),
  );
  deps.mail.wake();
  deps.riskFacts.forget(tenantId, staffId);
  await note(deps, ctx, token, risk, 'blocked');
  deps.metrics.refreshes.inc({ outcome: 'blocked' });
  throw new AppError('FORCE_LOGOUT', { extra: { reason: 'anomaly_score' } });
}

/**
 * Records a refresh that is let through: without findings, unscored, or in monitor mode. A failure
 * here is only logged: the rotation has been committed, and the client must not lose its token.
 */
async function letThrough(
  deps: RefreshDeps,
  ctx: RequestContext,
  token: RotatedToken,
  risk: RiskAssessment,
): Promise<void> {
  const outcome = risk.decision === 'allow' ? 'allowed' : 'monitored';
  await note(deps, ctx, token, risk, outcome);
  if (!risk.skipped && outcome === 'allowed') return;
  try {
    await deps.db.transaction((tx) => recordRisk(tx, ctx, token, { at: 'refresh', risk, outcome }));
  } catch (error) {
    deps.metrics.backgroundFailures.inc({ task: 'audit_risk' });
    deps.logger.error({ err: error, outcome }, 'the outcome of a scoring could not be audited');
  }
}

/** Describes the attempt for the scorer, with the stored origin of the session. */
function describeRefresh(
  deps: RefreshDeps,
  ctx: RequestContext,
  token: RotatedToken,
  device: RefreshInput['device'],
) {
  const { tenantId, staffId, sessionId } = token;
  const home = {
    country: token.sessionCountry,
    network: token.sessionNetwork,
    deviceHashes: renewHashes(device, token.sessionDevices ?? []),
    proven: token.sessionProvenAt !== null,
  };
  const session = sessionId === null ? null : { id: sessionId, ...home };
  const deviceHashes = device.compared;
  return describeAttempt(deps, ctx, { at: 'refresh', tenantId, staffId, deviceHashes, session });
}

/**
 * Rotates a refresh token: looks it up, rotates, scores and decides. It issues an access token only
 * if the decision allows it.
 * @throws AppError INVALID_REFRESH_TOKEN, FORCE_LOGOUT, STEP_UP_REQUIRED with the rotated token
 */
export async function refresh(
  deps: RefreshDeps,
  ctx: RequestContext,
  input: RefreshInput,
): Promise<TokenPair> {
  if (!looksLikeRefreshToken(input.refreshToken)) throw new AppError('INVALID_REFRESH_TOKEN');
  const rotation = (await tryRotate(deps, ctx, input)) ?? (await resolveUnspent(deps, ctx, input));
  const { token, refreshToken, degraded } = rotation;
  const { tenantId, userId, sessionVersion, sessionId, expiresAt } = token;
  const { device } = input;
  input.onIssued?.({ refreshToken, expiresAt, rememberMe: token.rememberMe });
  const attempt = describeRefresh(deps, ctx, token, device);
  const risk = await assessRisk(deps, ctx, attempt);
  const decision = await decideRefresh(deps, token, risk);
  if (decision === 'block') return block(deps, ctx, token, risk);
  if (decision === 'step_up') await demandStepUp(deps, ctx, { ...rotation, device, attempt, risk });
  else await letThrough(deps, ctx, token, risk);
  deps.metrics.refreshes.inc({ outcome: 'succeeded' });
  const subject = { tenantId, userId, sessionVersion, sid: sessionId ?? token.familyId, degraded };
  return toTokenPair(deps, subject, { refreshToken, refreshExpiresAt: expiresAt, sessionId });
}
