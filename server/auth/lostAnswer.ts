import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { AuthDeps } from './deps';
import { AppError } from '../errors';
import { SECOND_MS } from '../durations';
import { assertAddress } from '../ipRules';
import { findForcedEnd, forcedLogout } from './forcedEnd';
import { deriveSuccessors, hashesOfRefreshToken } from './refreshTokenSecrets';
import type { RefreshDeps, RefreshInput, Rotation } from './rotate';
import { findTokenByHash, isCurrentStaff } from './refreshTokenStore';
import type { StoredToken } from './refreshTokenStore';
import { findSessionOrigin } from './sessionStore';
import type { StoredOrigin } from './sessionStore';
import { withSessionTable } from './withSessionTable';

/** Returns the id of the chain that a token belongs to. */
export const familyOf = (token: StoredToken): string => token.familyId ?? token.id;

/** @returns the first of these tokens that was issued, with its row */
export async function findIssued(
  deps: Pick<AuthDeps, 'db' | 'keys'>,
  derived: readonly string[],
): Promise<{ refreshToken: string; token: StoredToken } | undefined> {
  for (const refreshToken of derived) {
    const token = await findTokenByHash(deps.db, hashesOfRefreshToken(deps.keys, refreshToken));
    if (token) return { refreshToken, token };
  }
  return undefined;
}

type ReissueDeps = Pick<AuthDeps, 'db' | 'clock' | 'config' | 'schemaGuard'>;

/**
 * Decides whether a token that was issued at `since` may be returned once more: it must be unused,
 * not ended, and recent enough. If this node's clock is behind, `since` may lie in the future; that
 * counts as recent.
 * @returns the stored origin of its session, or undefined if the token may not be returned
 */
export async function mayReissue(
  deps: ReissueDeps,
  token: StoredToken,
  since: Date,
): Promise<StoredOrigin | undefined> {
  const { tenantId, staffId, sessionId, sessionVersion } = token;
  const now = deps.clock.now();
  if (token.revokedAt !== null || token.expiresAt <= now) return undefined;
  if (now.getTime() - since.getTime() > deps.config.lostAnswerSec * SECOND_MS) return undefined;
  if (!(await isCurrentStaff(deps.db, tenantId, { staffId, sessionVersion }))) return undefined;
  const unknown = { country: null, network: null, deviceHashes: null, provenAt: null };
  return withSessionTable(deps, async (mode) => {
    if (mode === 'degraded' || sessionId === null) return unknown;
    return findSessionOrigin(deps.db, tenantId, { sessionId, now });
  });
}

/**
 * Records that a token was returned again. Each such answer is another copy of the token, so the
 * audit log holds all of them.
 */
export async function recordReissue(
  deps: Pick<AuthDeps, 'db'>,
  ctx: RequestContext,
  token: StoredToken,
  at: 'login' | 'refresh',
): Promise<void> {
  const { tenantId, staffId: actor, sessionId } = token;
  const subject = `token-family:${familyOf(token)}`;
  const about = { tenantId, actor, sessionId, subject, details: { at } };
  await deps.db.transaction((tx) =>
    recordAudit(tx, ctx, { ...about, action: 'AUTH_TOKEN_REISSUED', outcome: 'success' }),
  );
}

/**
 * Answers a rotated token that came back with an idempotency key. If the successor derived from the
 * two exists, the request comes from the client that made the first one, so it is never treated as
 * theft, however late it arrives.
 * @returns the chain again if its newest token is unused; undefined if the key is not that of the
 * first request
 * @throws AppError INVALID_REFRESH_TOKEN if it is too late, FORCE_LOGOUT if the chain was forcibly
 * ended, IP_BLOCKED, IP_RULES_UNAVAILABLE; nothing is revoked
 */
export async function answerAgain(
  deps: RefreshDeps,
  ctx: RequestContext,
  spent: StoredToken,
  input: RefreshInput,
): Promise<Rotation | undefined> {
  if (input.idempotencyKey === undefined) return undefined;
  const derived = deriveSuccessors(deps.keys, input.refreshToken, input.idempotencyKey);
  const issued = await findIssued(deps, derived);
  if (!issued) return undefined;
  const { refreshToken, token: successor } = issued;
  const { tenantId, userId, staffId, sessionId, sessionVersion, rememberMe, expiresAt } = successor;
  const familyId = familyOf(successor);
  const origin = await mayReissue(deps, successor, spent.revokedAt ?? successor.createdAt);
  if (!origin) {
    const forced = await findForcedEnd(deps, tenantId, { familyId, sessionId });
    deps.metrics.refreshes.inc({ outcome: 'invalid' });
    throw forced ? forcedLogout(forced) : new AppError('INVALID_REFRESH_TOKEN');
  }
  await assertAddress(deps, ctx, successor);
  await recordReissue(deps, ctx, successor, 'refresh');
  return {
    token: {
      ...{ tenantId, userId, staffId, sessionId, familyId, sessionVersion, rememberMe, expiresAt },
      spentId: spent.id,
      successorId: successor.id,
      // The same origin as with the first answer: a retry must not hide that a session has moved.
      sessionCountry: origin.country,
      sessionNetwork: origin.network,
      sessionDevices: origin.deviceHashes,
      sessionProvenAt: origin.provenAt,
    },
    refreshToken,
    degraded: sessionId === null,
    again: true,
  };
}
