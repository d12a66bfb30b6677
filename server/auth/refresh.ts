import type { RequestContext } from '../context';
import { AppError } from '../errors';
import { conclude, judgeRefresh, renewHashes, settle } from '../security';
import type { RefreshVerdict } from '../security';
import { toTokenPair } from './openSession';
import type { TokenPair } from './openSession';
import { demandStepUp } from './proveRefresh';
import { looksLikeRefreshToken } from './refreshTokenSecrets';
import { resolveUnspent } from './resolveUnspent';
import { tryRotate } from './rotate';
import type { RefreshDeps, RefreshInput } from './rotate';
import type { RotatedToken } from './rotationStore';
import { shutOut } from './shutOut';
import { inTenant } from '../db/tenantScope';

async function block(
  deps: RefreshDeps,
  ctx: RequestContext,
  verdict: RefreshVerdict,
): Promise<never> {
  await shutOut(deps, ctx, verdict);
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
  verdict: RefreshVerdict,
): Promise<void> {
  const { risk } = verdict;
  const outcome = risk.decision === 'allow' ? 'allowed' : 'monitored';
  await conclude(deps, ctx, verdict, outcome);
  if (!risk.skipped && outcome === 'allowed') return;
  try {
    await inTenant(deps.db, verdict.tenantId, (tx) => settle(deps, tx, ctx, verdict, outcome));
  } catch (error) {
    deps.metrics.backgroundFailures.inc({ task: 'audit_risk' });
    deps.logger.error({ err: error, outcome }, 'the outcome of a scoring could not be audited');
  }
}

/** Judges the refresh, with the stored origin of the session. */
function judge(
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
  return judgeRefresh(deps, ctx, { tenantId, staffId, deviceHashes, session });
}

/**
 * Rotates a refresh token: looks it up, rotates, scores and decides. It issues an access token only
 * if the decision allows it.
 * @throws AppError INVALID_REFRESH_TOKEN, FORCE_LOGOUT, STEP_UP_REQUIRED with the rotated token;
 * IP_BLOCKED, IP_RULES_UNAVAILABLE with the token as it was
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
  const verdict = await judge(deps, ctx, token, device);
  if (verdict.kind === 'block') return block(deps, ctx, verdict);
  if (verdict.kind === 'prove') await demandStepUp(deps, ctx, { ...rotation, device, verdict });
  else await letThrough(deps, ctx, verdict);
  deps.metrics.refreshes.inc({ outcome: 'succeeded' });
  const subject = { tenantId, userId, sessionVersion, sid: sessionId ?? token.familyId, degraded };
  return toTokenPair(deps, subject, { refreshToken, refreshExpiresAt: expiresAt, sessionId });
}
