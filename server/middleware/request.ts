import type { Request } from 'express';
import ipaddr from 'ipaddr.js';
import type { Principal, RequestContext } from '../context';
import type { Deps } from '../deps';
import { AppError } from '../errors';

declare module 'express-serve-static-core' {
  interface Request {
    correlationId: string;
    /** Set by `authenticate`. */
    principal?: Principal;
    /** Set by `authenticateIfPresent`: why the token that was sent counted for nothing. */
    refusal?: AppError;
    /** Set by `requireStepUp`: the proof's id, or null where a test went past it. */
    stepUpProof?: string | null;
  }
}

/** RFC 6750 3: no token was sent. */
export const unauthenticated = () =>
  new AppError('UNAUTHENTICATED', { headers: { 'www-authenticate': 'Bearer' } });

const MAX_USER_AGENT = 512;

/** The dependencies that `createApp` gave to the application. */
export const depsOf = (req: Request): Deps => req.app.locals['deps'] as Deps;

/** @throws AppError UNAUTHENTICATED, or how the token was refused, where nobody was authenticated: closed, not open */
export function principalOf(req: Request): Principal {
  if (!req.principal) throw req.refusal ?? unauthenticated();
  return req.principal;
}

/**
 * The proof that `requireStepUp` found, for an act that uses it up.
 * @throws AppError STEP_UP_REQUIRED where no `requireStepUp` ran before: closed, not open
 */
export function stepUpProofOf(req: Request): string | null {
  if (req.stepUpProof === undefined) throw new AppError('STEP_UP_REQUIRED');
  return req.stepUpProof;
}

/** What actions and audit events need to know of this request. */
export function contextOf(req: Request): RequestContext {
  // A proxy that passes on nonsense as an address is not believed: what counts is who connected.
  const ip = ipaddr.isValid(req.ip ?? '') ? req.ip : req.socket.remoteAddress;
  return {
    correlationId: req.correlationId,
    tenantId: req.principal?.tenantId ?? null,
    actor: req.principal?.staffId ?? 'anonymous',
    sessionId: req.principal?.sessionId ?? null,
    ip: ip ?? null,
    country: depsOf(req).geo.country(ip ?? null),
    userAgent: req.headers['user-agent']?.slice(0, MAX_USER_AGENT) ?? null,
  };
}
