import type { Request } from 'express';
import type { Principal, RequestContext, ServiceCaller } from '../context';
import { AppError } from '../errors';
import type { Passage } from './passage';
import type { ClientAddress } from '../config/trustProxy';
import type { ServiceScope } from '../serviceScopes';
import type { Services } from './services';
import { clientAddressOf } from './setClientAddress';

declare module 'express-serve-static-core' {
  interface Request {
    /** Set by `attachServices`. */
    services: Services;
    correlationId: string;
    correlationIdIsClients: boolean;
    /** Set by `authenticate`. */
    principal?: Principal;
    /** Set by `authenticateService`. */
    service?: ServiceCaller;
    /** The scope for which the service was admitted. */
    servedScope?: ServiceScope;
    /** Set by `authenticateIfPresent`: the error for a token that was sent but refused. */
    refusal?: AppError;
    /** Set by `requireStepUp`: how the request passed it. */
    stepUp?: Passage;
  }
}

/** RFC 6750 3: the error if no token was sent. Without `detail` it is for people. */
export const unauthenticated = (detail?: string) =>
  new AppError('UNAUTHENTICATED', {
    ...(detail === undefined ? {} : { detail }),
    headers: { 'www-authenticate': 'Bearer' },
  });

/**
 * Returns the program behind a request. It fails closed.
 * @throws AppError UNAUTHENTICATED if no service was authenticated
 */
export function serviceOf(req: Request): ServiceCaller {
  if (!req.service) throw unauthenticated();
  return req.service;
}

/** Returns the actor of the events that a request causes. */
function actorOf({ principal, service }: Request): string {
  if (principal) return principal.impersonation?.actor.staffId ?? principal.staffId;
  return service ? `service:${service.keyId}` : 'anonymous';
}

/** Returns both people of a request in an impersonation, for its context. */
const impersonationOf = ({ principal }: Request) =>
  principal?.impersonation && {
    onBehalfOf: { staffId: principal.staffId, impersonationId: principal.impersonation.id },
    sessionId: principal.impersonation.actor.sessionId,
  };

const MAX_USER_AGENT = 512;

/**
 * Returns the signed-in caller. It fails closed.
 * @throws AppError UNAUTHENTICATED, or the error of the refused token, if nobody was authenticated
 */
export function principalOf(req: Request): Principal {
  if (!req.principal) throw req.refusal ?? unauthenticated();
  return req.principal;
}

/**
 * Returns the signed-in caller of a route that also works without one, or null.
 * @throws AppError IP_BLOCKED if an access token was sent that may not be used from this address:
 * the route must not treat its person as a stranger
 */
export function callerIfAny(req: Request): Principal | null {
  if (req.refusal?.code === 'IP_BLOCKED') throw req.refusal;
  return req.principal ?? null;
}

/**
 * Returns how the request passed `requireStepUp`, for an act that consumes the proof. It fails
 * closed.
 * @throws AppError STEP_UP_REQUIRED if no `requireStepUp` ran before
 */
export function passageOf(req: Request): Passage {
  if (!req.stepUp) throw new AppError('STEP_UP_REQUIRED');
  return req.stepUp;
}

/**
 * Returns the signed-in caller, with the proof that the act consumes.
 * @throws what {@link principalOf} and {@link passageOf} throw
 */
export const provenCallerOf = (req: Request) => ({
  via: 'api' as const,
  principal: principalOf(req),
  passage: passageOf(req),
});

const noted = new WeakSet<Request>();

/** Returns the client's address, and reports a proxy that hides it. */
export function knownAddressOf(req: Request): ClientAddress {
  const client = clientAddressOf(req);
  if (client.silentProxy && !noted.has(req)) {
    noted.add(req);
    req.services.proxyWatch.note(client.ip);
  }
  return client;
}

/**
 * Builds the context of this request for actions and audit events.
 * @param ticket the caller's own reference, if the body has one
 */
export function contextOf(req: Request, ticket?: string): RequestContext {
  const { ip, silentProxy } = knownAddressOf(req);
  return {
    correlationId: req.correlationId,
    ...(req.correlationIdIsClients ? { correlationIdFrom: 'client' as const } : {}),
    tenantId: req.principal?.tenantId ?? null,
    actor: actorOf(req),
    sessionId: req.principal?.sessionId ?? null,
    ...impersonationOf(req),
    ...(req.principal?.apiKeyId === undefined ? {} : { apiKeyId: req.principal.apiKeyId }),
    ip,
    ...(silentProxy ? { ipOfProxy: true as const } : {}),
    country: silentProxy ? null : req.services.countryOf(ip),
    userAgent: req.headers['user-agent']?.slice(0, MAX_USER_AGENT) ?? null,
    ...(ticket === undefined ? {} : { ticket }),
  };
}
