import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import { AppError } from '../errors';
import { queueNotice } from '../mail';
import { forgetOrWarn, taughtBy } from './distrustSessions';
import { findForcedEnd, forcedLogout } from './forcedEnd';
import { invalidateSessions } from './invalidateSessions';
import { answerAgain, familyOf } from './lostAnswer';
import { sessionLifetimes } from './openSession';
import { hashesOfRefreshToken } from './refreshTokenSecrets';
import { tryRotate } from './rotate';
import type { RefreshDeps, RefreshInput, Rotation } from './rotate';
import {
  adoptToken,
  findTokenByHash,
  hasLiveLink,
  lockStaff,
  lockUnadopted,
} from './refreshTokenStore';
import type { StoredToken } from './refreshTokenStore';
import { insertSession, readCurrentStaff } from './sessionStore';
import { withSessionTable } from './withSessionTable';
import type { SessionMode } from './withSessionTable';
import { inTenant } from '../db/tenantScope';

/**
 * Punishes the replay of a rotated token, which proves that someone holds a copy. The chain ends,
 * and with it every session of the staff member. If the chain had already ended, only the replay is
 * recorded: otherwise an old copy could be used to sign its owner out again and again.
 */
async function punishReuse(
  deps: RefreshDeps,
  ctx: RequestContext,
  mode: SessionMode,
  spent: StoredToken,
): Promise<void> {
  const { tenantId, staffId, sessionId } = spent;
  const familyId = familyOf(spent);
  await inTenant(deps.db, tenantId, async (tx) => {
    await lockStaff(tx, tenantId, staffId);
    const live = await hasLiveLink(tx, tenantId, familyId);
    await recordAudit(tx, ctx, {
      action: 'REFRESH_REUSE_DETECTED',
      outcome: 'denied',
      tenantId,
      actor: 'anonymous',
      sessionId,
      subject: `staff:${staffId}`,
      details: { familyId, alreadyEnded: !live },
    });
    if (!live) return;
    await invalidateSessions(tx, ctx, mode, tenantId, {
      staffId,
      reason: 'security_event',
      audited: 'reuse_detected',
      family: { familyId, sessionId, reason: 'reuse_detected' },
      now: deps.clock.now(),
    });
    await forgetOrWarn(deps, tx, tenantId, { staffId, ...taughtBy(sessionId) });
    await queueNotice(deps, tx, ctx, spent, { kind: 'reuse_detected' });
  });
}

const isUnspent = (token: StoredToken, now: Date) =>
  token.revokedAt === null && token.expiresAt > now;

/**
 * Gives a token that was issued while `user_sessions` was missing a session, now that the table
 * exists.
 */
async function adopt(deps: RefreshDeps, ctx: RequestContext, token: StoredToken): Promise<boolean> {
  const { tenantId, userId, staffId, rememberMe, sessionVersion } = token;
  const now = deps.clock.now();
  const expiresAt = token.absoluteExpiresAt ?? sessionLifetimes(deps, rememberMe, now).endsAt;
  return inTenant(deps.db, tenantId, async (tx) => {
    if (!(await lockUnadopted(tx, tenantId, token.id))) return false;
    const staff = await readCurrentStaff(tx, tenantId, staffId);
    if (!staff?.active || staff.sessionVersion !== sessionVersion) return false;
    const id = deps.random.id();
    const { ip, country, userAgent } = ctx;
    // The session begins now: an earlier date would add it to the evidence of a closed quarter.
    const times = { createdAt: now, lastSeenAt: now, expiresAt };
    const owner = { tenantId, userId, staffId, sessionVersion, rememberMe };
    const origin = { ip, country, beganCountry: country, userAgent };
    await insertSession(tx, { id, ...owner, ...times, ...origin });
    return adoptToken(tx, tenantId, { tokenId: token.id, sessionId: id });
  });
}

/**
 * Resolves a token that could not be spent. A lost answer is returned again, a token without a
 * session gets one, and a replay is punished. Everything else is not theft, and revokes nothing.
 * @throws AppError INVALID_REFRESH_TOKEN; FORCE_LOGOUT after a replay was punished, or if the
 * sessions were forcibly ended before
 */
export async function resolveUnspent(
  deps: RefreshDeps,
  ctx: RequestContext,
  input: RefreshInput,
): Promise<Rotation> {
  const find = () => findTokenByHash(deps.db, hashesOfRefreshToken(deps.keys, input.refreshToken));
  let stored = await find();
  if (stored && isUnspent(stored, deps.clock.now())) {
    if (stored.sessionId === null) await adopt(deps, ctx, stored);
    // Otherwise the session may have moved to a new version while the first try waited for it.
    const rotation = await tryRotate(deps, ctx, input);
    if (rotation) return rotation;
    // Another request was faster: read what it did to the token.
    stored = await find();
  }
  if (stored?.revokeReason === 'rotation') {
    const again = await answerAgain(deps, ctx, stored, input);
    if (again) return again;
    const spent = stored;
    await withSessionTable(deps, (mode) => punishReuse(deps, ctx, mode, spent));
    deps.mail.wake();
    deps.riskFacts.forget(spent.tenantId, spent.staffId);
    deps.metrics.refreshes.inc({ outcome: 'reuse_detected' });
    throw forcedLogout('reuse_detected');
  }
  deps.metrics.refreshes.inc({ outcome: 'invalid' });
  const chain = stored && { familyId: familyOf(stored), sessionId: stored.sessionId };
  const forced = stored && chain && (await findForcedEnd(deps, stored.tenantId, chain));
  throw forced ? forcedLogout(forced) : new AppError('INVALID_REFRESH_TOKEN');
}
