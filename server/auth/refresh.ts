import { recordAudit, toAuditRow } from '../audit';
import type { RequestContext } from '../context';
import type { RiskOutcome } from '../db/schema';
import type { Deps } from '../deps';
import { AppError } from '../errors';
import { queueNotice } from '../mail';
import {
  assessRisk,
  consumeRefreshChallenge,
  describeAttempt,
  learnFromSuccess,
  noteDecision,
  offerChallenge,
} from '../security';
import type { DeviceIdentity, RiskAssessment } from '../security';
import { decideRefresh } from './decideLogin';
import { forgetOrWarn, taughtBy } from './distrustSessions';
import { invalidateSessions } from './invalidateSessions';
import { toTokenPair } from './openSession';
import type { TokenPair } from './openSession';
import { recordRisk } from './recordRisk';
import { deriveSuccessor, hashRefreshToken, looksLikeRefreshToken } from './refreshTokens';
import { newRefreshToken } from './refreshTokens';
import { resolveUnspent } from './resolveUnspent';
import { rotateToken } from './rotationStore';
import type { RotatedToken } from './rotationStore';
import { withSessionTable } from './withSessionTable';

export type RefreshDeps = Pick<
  Deps,
  | 'db'
  | 'pool'
  | 'keys'
  | 'clock'
  | 'random'
  | 'config'
  | 'metrics'
  | 'logger'
  | 'schemaGuard'
  | 'riskFacts'
  | 'riskPolicies'
  | 'riskBreaker'
  | 'riskDecisions'
  | 'accessTokens'
  | 'geo'
  | 'ipLists'
  | 'mail'
>;

export interface RefreshInput {
  refreshToken: string;
  /** From the `Idempotency-Key` header. */
  idempotencyKey?: string | undefined;
  device: DeviceIdentity;
}

/** A rotated chain and its new end, before the decision. */
export interface Rotation {
  token: RotatedToken;
  refreshToken: string;
  degraded: boolean;
}

/** @returns undefined where the presented token could not be spent */
export async function tryRotate(
  deps: RefreshDeps,
  ctx: RequestContext,
  input: RefreshInput,
): Promise<Rotation | undefined> {
  const refreshToken =
    input.idempotencyKey === undefined
      ? newRefreshToken(deps.random)
      : deriveSuccessor(deps.keys, input.refreshToken, input.idempotencyKey);
  const rotation = {
    tokenHash: hashRefreshToken(deps.keys, input.refreshToken),
    successorId: deps.random.id(),
    successorHash: hashRefreshToken(deps.keys, refreshToken),
    now: deps.clock.now(),
    idleSec: deps.config.refreshIdleSec,
    shortSec: deps.config.refreshShortSec,
    deviceInfo: ctx.userAgent,
  };
  return withSessionTable(deps, async (mode) => {
    const degraded = mode === 'degraded';
    const auditRow = toAuditRow(ctx, {
      action: 'AUTH_TOKEN_REFRESH',
      outcome: 'success',
      details: degraded ? { degraded } : {},
    });
    const token = await rotateToken(deps.pool, mode, { ...rotation, auditRow });
    return token && { token, refreshToken, degraded: degraded || token.sessionId === null };
  });
}

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
 * A verified challenge of this session lets the refresh through, once; without one the client gets the
 * rotated token with the challenge, since with the old one it would look like a thief.
 */
async function demandStepUp(
  deps: RefreshDeps,
  ctx: RequestContext,
  rotation: Rotation & Pick<RefreshInput, 'device'>,
  risk: RiskAssessment,
): Promise<void> {
  const { token, refreshToken } = rotation;
  const { tenantId, userId, staffId, sessionId, sessionVersion } = token;
  const { score, reasons } = risk;
  const offer = await deps.db.transaction(async (tx) => {
    const now = deps.clock.now();
    const passed =
      sessionId !== null && (await consumeRefreshChallenge(tx, tenantId, { sessionId, now }));
    const outcome = passed ? 'passed' : 'challenged';
    await recordRisk(tx, ctx, token, { at: 'refresh', risk, outcome });
    if (passed) return undefined;
    const owner = { tenantId, userId, staffId, sessionId, sessionVersion };
    const about = { origin: 'refresh' as const, purpose: 'security_settings' as const };
    return offerChallenge(deps, tx, ctx, { ...owner, ...about, score, reasons });
  });
  await note(deps, ctx, token, risk, offer ? 'challenged' : 'passed');
  if (!offer) {
    const deviceHashes = rotation.device.learned;
    return learnFromSuccess(deps, ctx, { tenantId, userId, staffId, sessionId, deviceHashes });
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

/**
 * What is let through: quietly, unscored, or watched only. The rotation stands, whatever becomes of this: a client must
 * not lose its token to a failed note.
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
    deps.logger.error({ err: error, outcome }, 'what a scoring left could not be audited');
  }
}

/**
 * Rotates a refresh token: look up, rotate, score, decide; an access token only if allowed.
 * @throws AppError INVALID_REFRESH_TOKEN, FORCE_LOGOUT, STEP_UP_REQUIRED with the rotated token
 */
export async function refresh(
  deps: RefreshDeps,
  ctx: RequestContext,
  input: RefreshInput,
): Promise<TokenPair> {
  if (!looksLikeRefreshToken(input.refreshToken)) throw new AppError('INVALID_REFRESH_TOKEN');
  const rotation =
    (await tryRotate(deps, ctx, input)) ?? (await resolveUnspent(deps, ctx, input, tryRotate));
  const { token, refreshToken, degraded } = rotation;
  const { tenantId, userId, staffId, sessionVersion, sessionId, expiresAt } = token;
  const attempt = describeAttempt(deps, ctx, {
    at: 'refresh',
    tenantId,
    staffId,
    deviceHashes: input.device.hashes,
    session:
      sessionId === null
        ? null
        : {
            id: sessionId,
            country: token.sessionCountry,
            deviceHashes: token.sessionDevices ?? [],
          },
  });
  const risk = await assessRisk(deps, ctx, attempt);
  const decision = await decideRefresh(deps, token, risk);
  if (decision === 'block') return block(deps, ctx, token, risk);
  if (decision === 'step_up') {
    await demandStepUp(deps, ctx, { ...rotation, device: input.device }, risk);
  } else await letThrough(deps, ctx, token, risk);
  deps.metrics.refreshes.inc({ outcome: 'succeeded' });
  const subject = { tenantId, userId, sessionVersion, sid: sessionId ?? token.familyId, degraded };
  return toTokenPair(deps, subject, { refreshToken, refreshExpiresAt: expiresAt, sessionId });
}
