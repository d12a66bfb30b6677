import { checkTenantKey, toKeyPrincipal } from '../apiKeys';
import type { Principal, RequestContext } from '../context';
import { introspectPerson } from '../auth';
import { AppError } from '../errors';
import { looksLikeKey } from '../keyText';
import type { IntrospectionDeps } from './deps';

export type FindDeps = Pick<
  IntrospectionDeps,
  | 'accessTokens'
  | 'sessionCheck'
  | 'tenantKeys'
  | 'denials'
  | 'geo'
  | 'ipRules'
  | 'ipRefusals'
  | 'db'
  | 'clock'
>;

type SessionState = NonNullable<
  Awaited<ReturnType<IntrospectionDeps['sessionCheck']['introspect']>>
>['state'];

/** The caller behind a token that a service asks about. */
export type FoundCaller =
  | {
      kind: 'person';
      principal: Principal;
      claims: ReturnType<IntrospectionDeps['accessTokens']['read']>;
      state: SessionState;
    }
  | { kind: 'key'; principal: Principal; key: Awaited<ReturnType<typeof checkTenantKey>> };

/**
 * Builds the context of a request that a service passes on: with the address that the service
 * reports for its client, and never with the service's own.
 */
export function withClientAddress(
  { geo }: Pick<IntrospectionDeps, 'geo'>,
  { ipOfProxy: _own, ...ctx }: RequestContext,
  address: string | null,
): RequestContext {
  return { ...ctx, ip: address, country: geo.country(address) };
}

/** Runs a check, and returns undefined for a credential that it refuses. An address is no credential. */
async function unlessRefused<T>(check: () => Promise<T> | T): Promise<T | undefined> {
  try {
    return await check();
  } catch (error) {
    const isPassedOn = error instanceof AppError && error.code === 'IP_BLOCKED';
    if (error instanceof AppError && error.isRefusal && !isPassedOn) return undefined;
    throw error;
  }
}

/**
 * Names the reason of a refusal for the service: it has reported an address that the tenant's rules
 * refuse.
 * @throws any other error
 */
export function whyRefused(error: unknown): { reason: 'IP_BLOCKED' } {
  if (error instanceof AppError && error.code === 'IP_BLOCKED') return { reason: 'IP_BLOCKED' };
  throw error;
}

/**
 * Finds the caller behind an access token or a tenant's API key, at every question and without a
 * cache.
 * @param address the address of the service's client, for IP rules and for keys that only some
 * addresses may use
 * @returns undefined if the token is not valid or has ended, whatever the reason
 * @throws AppError IP_BLOCKED, IP_RULES_UNAVAILABLE; the driver's error if the database could not be
 * asked
 */
export async function findCaller(
  deps: FindDeps,
  ctx: RequestContext,
  token: string,
  address: string | null,
): Promise<FoundCaller | undefined> {
  const theirs = withClientAddress(deps, ctx, address);
  if (looksLikeKey(token)) {
    const key = await unlessRefused(() => checkTenantKey(deps, theirs, token, { slowly: false }));
    return key && { kind: 'key', principal: toKeyPrincipal(key), key };
  }
  const found = await unlessRefused(() => introspectPerson(deps, theirs, token));
  return found && { kind: 'person', ...found };
}
