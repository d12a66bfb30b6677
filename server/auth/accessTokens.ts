import { decode, sign, verify } from 'jsonwebtoken';
import { z } from 'zod';
import type { Config } from '../config';
import type { Clock, Random } from '../context';
import { AppError } from '../errors';
import type { KeyRing } from '../keyRing';
import { SECOND_MS } from '../durations';

/**
 * RFC 9068 2.1: the `typ` header that stops any other JWT we issue from passing as an access token.
 */
const TOKEN_TYPE = 'at+jwt';
const ALGORITHM = 'ES256';
/** A token is accepted for this long after its end, because clocks of nodes differ. */
export const LEEWAY_SEC = 30;
/** Our tokens are under 700 bytes. Anything longer than this is rejected unparsed. */
const MAX_LENGTH = 4096;
const MAX_CACHED = 10_000;

const claimsSchema = z.object({
  sub: z.uuid(),
  tid: z.uuid(),
  /** The session id, or the token family's id if there is no session. */
  sid: z.uuid(),
  sv: z.number().int().nonnegative(),
  jti: z.uuid(),
  iat: z.number().int(),
  exp: z.number().int(),
  /** True for a token without a session: only `session_version` can revoke it. */
  dgr: z.literal(true).optional(),
  /** The person who really acts, in an impersonation (RFC 8693 4.1). `sid` is then the impersonation's id. */
  act: z.object({ sub: z.uuid(), staff_id: z.uuid(), sid: z.uuid() }).optional(),
});

export type AccessClaims = z.infer<typeof claimsSchema>;

export interface AccessTokenSubject {
  userId: string;
  tenantId: string;
  sid: string;
  sessionVersion: number;
  degraded: boolean;
  /** Only for an impersonation. */
  act?: NonNullable<AccessClaims['act']>;
  /** When the token has to end, if that is earlier than usual. */
  endsAt?: Date;
}

export interface AccessTokens {
  /** @returns a signed access token and its lifetime in whole seconds */
  issue(subject: AccessTokenSubject): { accessToken: string; expiresIn: number };
  /**
   * @throws AppError UNAUTHENTICATED if the token is not a valid, unexpired token that we issued
   */
  read(token: string): AccessClaims;
  /**
   * Returns the session of a token that was read lately and that we issued, also if it has expired;
   * undefined for any other.
   */
  sessionOf(token: string): string | undefined;
}

type TokenConfig = Pick<Config, 'jwtIssuer' | 'jwtAudience' | 'accessTokenTtlSec'>;

/** RFC 6750 3.1 */
export const INVALID_TOKEN = { 'www-authenticate': 'Bearer error="invalid_token"' };

export const invalidToken = (cause?: unknown): AppError =>
  new AppError('UNAUTHENTICATED', { headers: INVALID_TOKEN, cause });

/** Checks everything but the expiry. */
function verifyToken(config: TokenConfig, keys: KeyRing, token: string): AccessClaims {
  const header = decode(token, { complete: true })?.header;
  // RFC 8725 3.1, 3.11: the server fixes type, algorithm and key. `kid` only selects from our own
  // set of keys; `jku`, `jwk` and `x5u` are ignored.
  if (header?.typ !== TOKEN_TYPE || header.alg !== ALGORITHM) throw invalidToken();
  const key = typeof header.kid === 'string' ? keys.verifying.get(header.kid) : undefined;
  if (!key) throw invalidToken();
  const payload = verify(token, key, {
    algorithms: [ALGORITHM],
    issuer: config.jwtIssuer,
    audience: config.jwtAudience,
    ignoreExpiration: true,
    // Our tokens carry no `nbf`. An earlier release set it, possibly from a clock that was ahead.
    ignoreNotBefore: true,
  });
  return claimsSchema.parse(payload);
}

/**
 * Creates the issuer and reader of access tokens: ES256, fixed type, `kid` from the key ring (RFC
 * 9068, RFC 8725). Verified tokens are cached, expired ones too: the same bytes under the same keys
 * always verify the same way. Only the expiry is checked again at each use.
 */
export function createAccessTokens(
  config: TokenConfig,
  keys: KeyRing,
  clock: Clock,
  random: Random,
): AccessTokens {
  const verified = new Map<string, AccessClaims>();
  const nowSec = () => Math.floor(clock.now().getTime() / SECOND_MS);

  function issue(subject: AccessTokenSubject) {
    const now = nowSec();
    const lastSec = subject.endsAt ? Math.ceil(subject.endsAt.getTime() / SECOND_MS) : Infinity;
    const exp = Math.min(now + config.accessTokenTtlSec, Math.max(now, lastSec));
    const claims = {
      iss: config.jwtIssuer,
      aud: config.jwtAudience,
      sub: subject.userId,
      tid: subject.tenantId,
      sid: subject.sid,
      sv: subject.sessionVersion,
      jti: random.id(),
      iat: now,
      exp,
      ...(subject.degraded ? { dgr: true } : {}),
      ...(subject.act ? { act: subject.act } : {}),
    };
    const header = { alg: ALGORITHM, typ: TOKEN_TYPE, kid: keys.signing.kid };
    const accessToken = sign(claims, keys.signing.key, { algorithm: ALGORITHM, header });
    return { accessToken, expiresIn: exp - now };
  }

  function verifyAndKeep(token: string): AccessClaims {
    if (token.length > MAX_LENGTH) throw invalidToken();
    try {
      const claims = verifyToken(config, keys, token);
      if (verified.size >= MAX_CACHED) verified.delete(verified.keys().next().value ?? '');
      verified.set(token, claims);
      return claims;
    } catch (error) {
      throw error instanceof AppError ? error : invalidToken(error);
    }
  }

  function read(token: string): AccessClaims {
    const claims = verified.get(token) ?? verifyAndKeep(token);
    if (claims.exp + LEEWAY_SEC <= nowSec()) throw invalidToken();
    return claims;
  }

  return { issue, read, sessionOf: (token) => verified.get(token)?.sid };
}
