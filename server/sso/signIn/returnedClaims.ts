import type { SsoRefusal } from '../../audit';
import type { SsoAttemptKind } from '../../db/schema';
import type { SsoDeps } from '../deps';
import { openClaims, tenantOfCookie } from './attemptSecrets';
import { takeClaims } from './ssoAttemptStore';
import type { ReturnedAttempt } from './ssoAttemptStore';
import { findClient } from './clientStore';
import { providerClaims } from './providerClaims';
import type { ProviderClaims } from './providerClaims';

type TakeDeps = Pick<SsoDeps, 'db' | 'keys'>;

/** Takes the attempt of a browser that has come back, once. @returns undefined if there is none */
export function takeReturned(
  { db, keys }: TakeDeps,
  cookie: string | undefined,
  kind: SsoAttemptKind,
): Promise<ReturnedAttempt | undefined> {
  const tenantId = cookie === undefined ? undefined : tenantOfCookie(cookie);
  if (cookie === undefined || tenantId === undefined) return Promise.resolve(undefined);
  return takeClaims(db, tenantId, { cookieHashes: keys.hashAll('sso-cookie', cookie), kind });
}

/**
 * Opens the claims of an attempt, if its connection is still there and still has the same issuer.
 */
export async function openReturned(
  { db, keys }: TakeDeps,
  attempt: ReturnedAttempt,
): Promise<{ claims: ProviderClaims } | { refusal: SsoRefusal }> {
  const { tenantId, connectionId, claimsSealed } = attempt;
  const client = await findClient(db, tenantId, connectionId);
  if (!client) return { refusal: 'connection_deleted' };
  let opened: unknown;
  try {
    opened = openClaims(keys, attempt, claimsSealed);
  } catch {
    return { refusal: 'attempt_expired' };
  }
  const claims = providerClaims.parse(opened);
  return claims.issuer === client.issuer ? { claims } : { refusal: 'connection_changed' };
}
