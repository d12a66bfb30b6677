import { clientIp } from '../context';
import type { Principal, RequestContext } from '../context';
import { AppError } from '../errors';
import { assertAddress } from '../ipRules';
import type { AuthDeps } from './deps';
import { markAddressRefused } from './impersonationCheckStore';

type AdmitDeps = Pick<
  AuthDeps,
  'accessTokens' | 'sessionCheck' | 'ipRules' | 'ipRefusals' | 'db' | 'clock'
>;
type Asking = RequestContext | (() => RequestContext);

/**
 * Asserts that the person may act from the address of the request. In an impersonation it is the
 * address of the actor, and a refusal ends the impersonation. If no address is known, the request is
 * refused, and the impersonation goes on: a service has left the address out, not the actor.
 */
async function assertOwnAddress(deps: AdmitDeps, ctx: Asking, principal: Principal): Promise<void> {
  const { impersonation, tenantId, staffId } = principal;
  if (!impersonation) return assertAddress(deps, ctx, principal);
  const { id, actor } = impersonation;
  const onBehalfOf = { staffId, impersonationId: id };
  let known: RequestContext | undefined;
  const named = () => (known ??= { ...(typeof ctx === 'function' ? ctx() : ctx), onBehalfOf });
  const holder = { tenantId, staffId: actor.staffId, sessionId: actor.sessionId };
  try {
    await assertAddress(deps, named, holder);
  } catch (error) {
    const isRefused = error instanceof AppError && error.code === 'IP_BLOCKED';
    if (isRefused && clientIp(named()) !== null) {
      await markAddressRefused(deps.db, tenantId, { id, now: deps.clock.now() });
    }
    throw error;
  }
}

/**
 * Turns an access token into the person behind it: checks the token, the live session, and the
 * address of the request. Only {@link admitToSignOut} leaves the address out.
 * @param ctx the request, or a function that describes it; its address is the person's
 * @throws AppError UNAUTHENTICATED; FORCE_LOGOUT with the reason if the session was forcibly ended;
 * IP_BLOCKED, IP_RULES_UNAVAILABLE; the driver's error if the database could not be asked
 */
export async function admitPerson(deps: AdmitDeps, ctx: Asking, token: string): Promise<Principal> {
  const principal = await deps.sessionCheck.check(deps.accessTokens.read(token));
  await assertOwnAddress(deps, ctx, principal);
  return principal;
}

/**
 * Does what {@link admitPerson} does for a request that can only end sessions of the person. The IP
 * rules do not limit it: taking access away from a device that is lost, or in a network that is
 * refused, must always be possible. It is no route for somebody who acts as another member, so the
 * address of an actor is judged.
 * @throws AppError UNAUTHENTICATED; FORCE_LOGOUT; in an impersonation also IP_BLOCKED and
 * IP_RULES_UNAVAILABLE
 */
export async function admitToSignOut(
  deps: AdmitDeps,
  ctx: Asking,
  token: string,
): Promise<Principal> {
  const principal = await deps.sessionCheck.check(deps.accessTokens.read(token));
  if (principal.impersonation) await assertOwnAddress(deps, ctx, principal);
  return principal;
}

/**
 * Does what {@link admitPerson} does for a service that asks about a token.
 * @returns the person with the claims of the token, and what an introspection says besides;
 * undefined if the session has ended
 * @throws AppError UNAUTHENTICATED for a token that is not valid; IP_BLOCKED, IP_RULES_UNAVAILABLE;
 * the driver's error if the database could not be asked
 */
export async function introspectPerson(deps: AdmitDeps, ctx: RequestContext, token: string) {
  const claims = deps.accessTokens.read(token);
  const found = await deps.sessionCheck.introspect(claims);
  if (!found) return undefined;
  await assertOwnAddress(deps, ctx, found.principal);
  return { claims, ...found };
}
