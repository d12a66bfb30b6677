import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import type { AuthDeps } from './deps';
import { AppError } from '../errors';
import { SECOND_MS } from '../durations';
import { boundSessions } from './boundSessions';
import { hashRefreshToken, newRefreshToken } from './refreshTokenSecrets';
import { insertToken, lockStaff } from './refreshTokenStore';
import { insertSession, readCurrentStaff } from './sessionStore';
import type { SessionMode } from './withSessionTable';

/** The provider that proved a person, for a session of a tenant's connection. */
export interface SessionProvider {
  connectionId: string;
  /** The provider's id of its own session; null if it sent none. */
  sid: string | null;
  /** The values of its `amr` that count here, from `countingAmr`. */
  amr: readonly string[];
}

export interface NewSession {
  tenantId: string;
  userId: string;
  staffId: string;
  /**
   * The version when the password was checked. If the sessions were ended since then, this login
   * fails too.
   */
  sessionVersion: number;
  /** The hashes that identified the device at this login. */
  deviceHashes: readonly string[];
  rememberMe: boolean;
  score: number;
  reasons: string[];
  /** True if a verified challenge let this login through. */
  stepUp: boolean;
  /** How the person signed in, from `amrOf`. */
  amr: string[];
  /** Null if the person proved themselves with their own password. */
  provider: SessionProvider | null;
  /** The most live sessions that the tenant's policy allows this person, including this one. */
  maxSessions: number;
  /**
   * The first token of the chain; random if undefined. Set it if the client may have to ask for it
   * again.
   */
  refreshToken?: string | undefined;
}

/** The answer to a login or a refresh that was allowed. */
export interface TokenPair {
  accessToken: string;
  refreshToken: string;
  requiresStepUp: false;
  tokenType: 'Bearer';
  /** In seconds. */
  expiresIn: number;
  refreshExpiresAt: string;
  sessionId: string | null;
  /** True if `user_sessions` was missing: only `session_version` can revoke these tokens. */
  degraded?: true;
}

/** A refresh token to be sent to the client, and how long a browser may keep it. */
export interface IssuedToken {
  refreshToken: string;
  expiresAt: Date;
  rememberMe: boolean;
}

type OpenDeps = Pick<AuthDeps, 'clock' | 'random' | 'keys' | 'config' | 'accessTokens' | 'metrics'>;

/** Returns when a session ends for good, and when its first token expires if it is not used. */
export function sessionLifetimes(deps: Pick<AuthDeps, 'config'>, rememberMe: boolean, now: Date) {
  const { refreshAbsoluteSec, refreshIdleSec, refreshShortSec, refreshShortIdleSec } = deps.config;
  const absoluteSec = rememberMe ? refreshAbsoluteSec : refreshShortSec;
  const idleSec = Math.min(absoluteSec, rememberMe ? refreshIdleSec : refreshShortIdleSec);
  return {
    endsAt: new Date(now.getTime() + absoluteSec * SECOND_MS),
    firstTokenExpiresAt: new Date(now.getTime() + idleSec * SECOND_MS),
  };
}

/**
 * Refuses to open a session through a provider that no row could bind to the tenant's connection:
 * nothing could end it with the connection, and it would get rights that only the person's own proof
 * gives.
 * @throws AppError SCHEMA_UNAVAILABLE if `user_sessions` is missing
 */
function assertBindable(mode: SessionMode, provider: SessionProvider | null): void {
  if (mode === 'normal' || provider === null) return;
  throw new AppError('SCHEMA_UNAVAILABLE', {
    detail: 'A sign-in through a provider needs a session. Sign in again later.',
  });
}

/** Returns what a session remembers of the one who proved the person. */
const provenBy = (provider: SessionProvider | null, now: Date) => ({
  ssoConnectionId: provider?.connectionId ?? null,
  providerSid: provider?.sid ?? null,
  ownProofAt: provider ? null : now,
});

/**
 * Opens a session with the first token of its chain and records the login, all in the caller's
 * transaction. It reads the version in that transaction, so a session never begins under an
 * outdated version.
 * @throws AppError INVALID_CREDENTIALS if the member was disabled, or their sessions were ended, in
 * the meantime; SCHEMA_UNAVAILABLE for a provider's sign-in without `user_sessions`
 */
export async function openSession(
  deps: OpenDeps,
  tx: Tx,
  ctx: RequestContext,
  mode: SessionMode,
  request: NewSession,
): Promise<TokenPair> {
  const { tenantId, userId, staffId, rememberMe, provider } = request;
  assertBindable(mode, provider);
  const staff = await readCurrentStaff(tx, tenantId, staffId);
  if (!staff?.active || staff.sessionVersion !== request.sessionVersion)
    throw new AppError('INVALID_CREDENTIALS');
  const now = deps.clock.now();
  const { endsAt, firstTokenExpiresAt } = sessionLifetimes(deps, rememberMe, now);
  const owner = { tenantId, userId, staffId, sessionVersion: staff.sessionVersion };
  const sessionId = mode === 'normal' ? deps.random.id() : null;
  const familyId = deps.random.id();
  if (sessionId !== null) {
    const { ip, country, userAgent } = ctx;
    const times = { createdAt: now, lastSeenAt: now, expiresAt: endsAt };
    await insertSession(tx, {
      ...owner,
      ...times,
      id: sessionId,
      rememberMe,
      ip,
      country,
      beganCountry: country,
      userAgent,
      amr: request.amr,
      deviceHashes: [...request.deviceHashes],
      ...provenBy(provider, now),
    });
  }
  const refreshToken = request.refreshToken ?? newRefreshToken(deps.random);
  await insertToken(tx, {
    ...owner,
    id: familyId,
    tokenHash: hashRefreshToken(deps.keys, refreshToken),
    keyId: deps.keys.ids.tokenHash,
    sessionId,
    createdAt: now,
    expiresAt: firstTokenExpiresAt,
    absoluteExpiresAt: endsAt,
    deviceInfo: ctx.userAgent,
    rememberMe,
  });
  await recordLogin(tx, ctx, request, sessionId);
  if (sessionId !== null) {
    // Lock last, and only for two statements. The count that follows then includes every login that
    // committed first.
    await lockStaff(tx, tenantId, staffId);
    const bound = { staffId, sessionVersion: staff.sessionVersion, most: request.maxSessions, now };
    await boundSessions(tx, ctx, tenantId, { ...bound, opened: sessionId });
  }
  const subject = { ...owner, sid: sessionId ?? familyId, degraded: sessionId === null };
  return toTokenPair(deps, subject, {
    refreshToken,
    refreshExpiresAt: firstTokenExpiresAt,
    sessionId,
  });
}

async function recordLogin(
  tx: Tx,
  ctx: RequestContext,
  request: NewSession,
  sessionId: string | null,
): Promise<void> {
  const { score, reasons, rememberMe, stepUp, provider } = request;
  const through = provider ? { connectionId: provider.connectionId } : {};
  const degraded = sessionId === null ? { degraded: true } : {};
  await recordAudit(tx, ctx, {
    action: 'AUTH_LOGIN_SUCCEEDED',
    outcome: 'success',
    tenantId: request.tenantId,
    actor: request.staffId,
    sessionId,
    subject: sessionId === null ? `staff:${request.staffId}` : `session:${sessionId}`,
    details: { score, reasons, rememberMe, stepUp, ...through, ...degraded },
  });
}

/**
 * Adds the access token to a refresh token, and marks the pair as degraded if there is no session
 * behind it.
 */
export function toTokenPair(
  deps: Pick<AuthDeps, 'accessTokens' | 'metrics'>,
  subject: {
    userId: string;
    tenantId: string;
    sid: string;
    sessionVersion: number;
    degraded: boolean;
  },
  refresh: { refreshToken: string; refreshExpiresAt: Date; sessionId: string | null },
): TokenPair {
  const { accessToken, expiresIn } = deps.accessTokens.issue(subject);
  if (subject.degraded) deps.metrics.degradedTokens.inc();
  return {
    accessToken,
    refreshToken: refresh.refreshToken,
    requiresStepUp: false,
    tokenType: 'Bearer',
    expiresIn,
    refreshExpiresAt: refresh.refreshExpiresAt.toISOString(),
    sessionId: refresh.sessionId,
    ...(subject.degraded ? { degraded: true as const } : {}),
  };
}
