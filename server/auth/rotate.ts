import { toAuditRow } from '../audit';
import type { RequestContext } from '../context';
import type { AuthDeps } from './deps';
import { enforceVerdict, judgeAddressOf } from '../ipRules';
import type { DeviceIdentity } from '../security';
import type { IssuedToken } from './openSession';
import { deriveSuccessor, hashRefreshToken, hashesOfRefreshToken } from './refreshTokenSecrets';
import { newRefreshToken } from './refreshTokenSecrets';
import { rotateToken } from './rotationStore';
import type { RotatedToken } from './rotationStore';
import { withSessionTable } from './withSessionTable';

export type RefreshDeps = Pick<
  AuthDeps,
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
  | 'ipRules'
  | 'ipRefusals'
>;

export interface RefreshInput {
  refreshToken: string;
  /** From the `Idempotency-Key` header. */
  idempotencyKey?: string | undefined;
  device: DeviceIdentity;
  /**
   * Called with the newest token of the chain once it is stored, even if the answer becomes an
   * error.
   */
  onIssued?: (issued: IssuedToken) => void;
}

/** A rotated chain and its newest token, before the decision. */
export interface Rotation {
  token: RotatedToken;
  refreshToken: string;
  degraded: boolean;
  /**
   * True if the same token was returned before, and the client has lost that answer and retries.
   */
  again: boolean;
}

/**
 * Rotates the presented token, unless the tenant's IP rules refuse the address: then the rotation is
 * rolled back, and the token is as it was.
 * @returns the rotation, or undefined if the presented token could not be spent
 * @throws AppError IP_BLOCKED, IP_RULES_UNAVAILABLE
 */
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
    tokenHashes: hashesOfRefreshToken(deps.keys, input.refreshToken),
    successorId: deps.random.id(),
    successorHash: hashRefreshToken(deps.keys, refreshToken),
    keyId: deps.keys.ids.tokenHash,
    now: deps.clock.now(),
    idleSec: deps.config.refreshIdleSec,
    shortSec: deps.config.refreshShortIdleSec,
    deviceInfo: ctx.userAgent,
  };
  await deps.ipRules.refresh();
  return withSessionTable(deps, async (mode) => {
    const degraded = mode === 'degraded';
    const auditRow = toAuditRow(ctx, {
      action: 'AUTH_TOKEN_REFRESH',
      outcome: 'success',
      details: degraded ? { degraded } : {},
    });
    const judge = (owner: RotatedToken) => judgeAddressOf(deps, ctx, owner);
    const rotated = await rotateToken(deps.pool, mode, { ...rotation, auditRow }, judge);
    if (!rotated) return undefined;
    const { token, verdict } = rotated;
    await enforceVerdict(deps, ctx, token, verdict);
    return { token, refreshToken, degraded: degraded || token.sessionId === null, again: false };
  });
}
