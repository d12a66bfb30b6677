import { sign } from 'jsonwebtoken';
import type { Impersonation, Principal } from '../context';
import { MINUTE_SEC, SECOND_MS } from '../durations';
import type { IntrospectionDeps } from './deps';

/** RFC 8725 3.11: neither an access token nor this may pass as the other. */
const ASSERTION_TYPE = 'ga+jwt';
const ALGORITHM = 'ES256';

/** The permissions that a gateway passes on. */
export interface ListedPermissions {
  permissions: readonly string[];
  /** Whether the person has more. */
  partial: boolean;
}

/** The person who really acts (RFC 8693 4.1), and what the impersonation may do. */
const actOf = ({ actor, scope }: Impersonation) => ({
  ...{ sub: actor.userId, staff_id: actor.staffId, sid: actor.sessionId, scope },
});

/** Signs who a request is from, for one minute, for the service behind a gateway. */
export function signAssertion(
  { config, keys, clock, random }: Pick<IntrospectionDeps, 'config' | 'keys' | 'clock' | 'random'>,
  principal: Principal,
  { permissions, partial }: ListedPermissions,
): string {
  const now = Math.floor(clock.now().getTime() / SECOND_MS);
  const { sessionId, apiKeyId, impersonation } = principal;
  const claims = {
    iss: config.jwtIssuer,
    aud: config.forwardAuthAudience,
    sub: principal.userId,
    tid: principal.tenantId,
    tenant: principal.tenant.slug,
    staff_id: principal.staffId,
    ...(sessionId === null ? {} : { sid: sessionId }),
    ...(apiKeyId === undefined ? {} : { api_key_id: apiKeyId }),
    ...(impersonation ? { sid: impersonation.id, act: actOf(impersonation) } : {}),
    permissions,
    ...(partial ? { permissions_partial: true } : {}),
    jti: random.id(),
    iat: now,
    exp: now + MINUTE_SEC,
  };
  const header = { alg: ALGORITHM, typ: ASSERTION_TYPE, kid: keys.signing.kid };
  return sign(claims, keys.signing.key, { algorithm: ALGORITHM, header });
}
