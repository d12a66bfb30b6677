import { endKeysOfForcedEnd } from '../apiKeys';
import { recordAudit } from '../audit';
import type { Principal, RequestContext } from '../context';
import type { Tx } from '../db';
import { inTenant } from '../db/tenantScope';
import type { AuthDeps } from './deps';
import { AppError } from '../errors';
import { endChallenges } from '../security';
import { invalidateSessions } from './invalidateSessions';
import { hashesOfRefreshToken } from './refreshTokenSecrets';
import { findTokenByHash, revokeFamily, revokeSessionTokens } from './refreshTokenStore';
import { revokeSession } from './sessionStore';
import { withSessionTable } from './withSessionTable';

type EndDeps = Pick<AuthDeps, 'db' | 'clock' | 'schemaGuard' | 'riskFacts'>;

/** Signs this device out: ends its session and its refresh tokens, and nothing else. */
export async function logout(
  deps: EndDeps,
  ctx: RequestContext,
  principal: Principal,
): Promise<void> {
  const { tenantId, staffId, sessionId, sid } = principal;
  const now = deps.clock.now();
  await inTenant(deps.db, tenantId, async (tx) => {
    if (sessionId !== null) await endChallenges(tx, tenantId, { staffId, sessionId, now });
    if (sessionId === null) {
      // In degraded mode `sid` is the token's family, or the session from before the outage.
      await revokeFamily(tx, tenantId, { staffId, familyId: sid, reason: 'logout', now });
      await revokeSessionTokens(tx, tenantId, { sessionId: sid, reason: 'logout', now });
    } else {
      await revokeSession(tx, tenantId, { staffId, sessionId, reason: 'logout', now });
      await revokeSessionTokens(tx, tenantId, { sessionId, reason: 'logout', now });
    }
    await recordAudit(tx, ctx, {
      action: 'AUTH_LOGOUT',
      outcome: 'success',
      subject: sessionId === null ? `staff:${staffId}` : `session:${sessionId}`,
      details: { scope: 'session', ...(sessionId === null ? { degraded: true } : {}) },
    });
  });
}

/**
 * Signs out the holder of a refresh token, live or not: ends its chain and its session. Signing out
 * must work after the access token has expired, and while a refresh waits for a proof that nobody
 * gives. An unknown token, or one whose chain has ended, changes nothing (RFC 7009 2.2). A rotated
 * token does not count as theft here, because it ends no more than it could have used.
 */
export async function logoutByToken(
  deps: EndDeps & Pick<AuthDeps, 'keys'>,
  ctx: RequestContext,
  refreshToken: string,
): Promise<void> {
  const token = await findTokenByHash(deps.db, hashesOfRefreshToken(deps.keys, refreshToken));
  if (!token) return;
  const { tenantId, staffId, sessionId } = token;
  const now = deps.clock.now();
  const reason = 'logout' as const;
  await withSessionTable(deps, (mode) =>
    inTenant(deps.db, tenantId, async (tx) => {
      const degraded = mode === 'degraded' || sessionId === null;
      const session = sessionId !== null && { staffId, sessionId, reason, now };
      if (session) await endChallenges(tx, tenantId, session);
      const ended = !degraded && session && (await revokeSession(tx, tenantId, session));
      const family = { staffId, familyId: token.familyId ?? token.id, reason, now };
      let revoked = await revokeFamily(tx, tenantId, family);
      if (session) revoked += await revokeSessionTokens(tx, tenantId, session);
      if (!ended && revoked === 0) return;
      await recordAudit(tx, ctx, {
        action: 'AUTH_LOGOUT',
        outcome: 'success',
        tenantId,
        actor: staffId,
        sessionId,
        subject: sessionId === null ? `staff:${staffId}` : `session:${sessionId}`,
        details: { scope: 'session', with: 'refresh_token', ...(degraded && { degraded }) },
      });
    }),
  );
}

/** Signs a person out of this tenant on all devices, including this one. */
export async function logoutAll(
  deps: EndDeps,
  ctx: RequestContext,
  principal: Principal,
): Promise<void> {
  const { tenantId, staffId } = principal;
  await withSessionTable(deps, (mode) =>
    inTenant(deps.db, tenantId, async (tx) => {
      const what = { staffId, reason: 'logout' as const, now: deps.clock.now() };
      await invalidateSessions(tx, ctx, mode, tenantId, what);
      await recordAudit(tx, ctx, {
        action: 'AUTH_LOGOUT',
        outcome: 'success',
        subject: `staff:${staffId}`,
        details: { scope: 'all' },
      });
    }),
  );
  deps.riskFacts.forget(tenantId, staffId);
}

/**
 * Ends one session of a staff member, with its tokens and its pending proofs. If somebody else ends
 * it, the API keys that were issued in it end too.
 * @throws AppError NOT_FOUND if they have no such session, or it has ended
 */
export async function endSessionOf(
  tx: Tx,
  ctx: RequestContext,
  tenantId: string,
  query: { staffId: string; sessionId: string; reason: 'manual' | 'force_logout'; now: Date },
): Promise<void> {
  const { sessionId, reason } = query;
  await endChallenges(tx, tenantId, query);
  if (!(await revokeSession(tx, tenantId, query))) throw new AppError('NOT_FOUND');
  const tokensRevoked = await revokeSessionTokens(tx, tenantId, query);
  await recordAudit(tx, ctx, {
    action: 'SESSION_INVALIDATED',
    outcome: 'success',
    tenantId,
    subject: `session:${sessionId}`,
    details: { reason, sessionsRevoked: 1, tokensRevoked },
  });
  if (reason !== 'force_logout') return;
  const { staffId } = query;
  await endKeysOfForcedEnd(tx, ctx, 'normal', tenantId, { staffId, since: null });
}

/**
 * Ends one of the caller's own sessions.
 * @throws AppError NOT_FOUND for a session of somebody else, exactly as for one that does not exist
 */
export async function endSession(
  deps: EndDeps,
  ctx: RequestContext,
  principal: Principal,
  sessionId: string,
): Promise<void> {
  const { tenantId, staffId } = principal;
  const query = { staffId, sessionId, reason: 'manual' as const, now: deps.clock.now() };
  await inTenant(deps.db, tenantId, (tx) => endSessionOf(tx, ctx, tenantId, query));
}
