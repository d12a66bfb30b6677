import type { RequestHandler } from 'express';
import type { Principal, RequestContext, ServiceCaller } from '../context';
import type { Kernel } from '../kernel';
import type { Permission } from '../permissions';
import type { HttpParts } from './deps';
import type { Gate, Passage } from './passage';
import type { Caller, RateVerdict } from './rateVerdict';

/** The services that the guards and other parts of `http/` ask of the areas above them. */
export interface Services extends Pick<
  Kernel,
  'config' | 'logger' | 'metrics' | 'random' | 'schemaGuard'
> {
  proxyWatch: HttpParts['proxyWatch'];
  /** Returns the country of an address in ISO 3166-1 letters, or null if none is known. */
  countryOf(ip: string | null): string | null;
  /**
   * Checks an access token, its live session, and the address of the request.
   * @param ctx describes the request, if that is needed
   * @throws AppError UNAUTHENTICATED, FORCE_LOGOUT, IP_BLOCKED, IP_RULES_UNAVAILABLE
   */
  authenticate(ctx: () => RequestContext, token: string): Promise<Principal>;
  /**
   * Does what {@link authenticate} does for a request that can only end the caller's own sessions:
   * from every address.
   * @throws AppError UNAUTHENTICATED, FORCE_LOGOUT; in an impersonation also IP_BLOCKED and
   * IP_RULES_UNAVAILABLE
   */
  authenticateToSignOut(ctx: () => RequestContext, token: string): Promise<Principal>;
  /**
   * Returns the session of an access token of ours that was checked lately, also if the token or
   * the session has ended; undefined for any other text.
   */
  sessionOf(token: string): string | undefined;
  /**
   * Checks a tenant's API key, and returns its holder with the permissions of the key.
   * @param options `slowly` if the address of the request is known for refused credentials;
   * `forScim` at the routes that a key for SCIM opens
   * @throws AppError UNAUTHENTICATED, KEY_ADDRESS_REFUSED, FORBIDDEN, IP_BLOCKED, IP_RULES_UNAVAILABLE
   */
  authenticateKey(
    ctx: RequestContext,
    key: string,
    options: { slowly: boolean; forScim?: boolean },
  ): Promise<Principal>;
  /**
   * Checks a service key.
   * @throws AppError UNAUTHENTICATED, KEY_ADDRESS_REFUSED
   */
  authenticateService(
    ctx: RequestContext,
    key: string,
    options: { slowly: boolean },
  ): Promise<ServiceCaller>;
  /**
   * Counts a request of this caller.
   * @returns undefined if no rate limit applies, or if they cannot be read
   */
  countRequest(caller: Caller): Promise<RateVerdict | undefined>;
  /** Returns whether a limit of this caller is known to be used up; it does not count. */
  isAtLimit(caller: Caller): boolean;
  /**
   * Returns who may enrol a factor by a login's challenge.
   * @throws AppError UNAUTHENTICATED, IP_BLOCKED, IP_RULES_UNAVAILABLE
   */
  findEnrollee(ctx: RequestContext, challengeId: string): Promise<Principal>;
  /** Returns the challenge in a cookie, if it belongs to the device in another one. */
  readBoundChallenge(
    challenge: string | undefined,
    device: string | undefined,
  ): Promise<string | undefined>;
  /**
   * Counts a request of an impersonation, and records it if it is refused.
   * @throws AppError UNAUTHENTICATED if the impersonation has just ended
   */
  countImpersonated(
    ctx: RequestContext,
    impersonationId: string,
    act: { route: string; refused: boolean },
  ): Promise<void>;
  /** Records that a permission was missing. */
  recordDenial(ctx: RequestContext, principal: Principal, permission: Permission): Promise<void>;
  /** @throws AppError STEP_UP_REQUIRED if no fresh proof opens the gate */
  passStepUp(ctx: RequestContext, principal: Principal, gate: Gate): Promise<Passage>;
}

/** Gives every request the services; it runs before everything else in `http/`. */
export const attachServices =
  (services: Services): RequestHandler =>
  (req, _res, next) => {
    req.services = services;
    next();
  };
