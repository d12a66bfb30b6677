import type { Request } from 'express';
import type { Principal, RequestContext } from '../context';
import type { Deps } from '../deps';
import { AppError } from '../errors';

declare module 'express-serve-static-core' {
  interface Request {
    correlationId: string;
    /** Set by `authenticate`. */
    principal?: Principal;
  }
}

const MAX_USER_AGENT = 512;

/** The dependencies that `createApp` gave to the application. */
export const depsOf = (req: Request): Deps => req.app.locals['deps'] as Deps;

/** @throws AppError UNAUTHENTICATED where no `authenticate` ran before: closed, not open */
export function principalOf(req: Request): Principal {
  if (!req.principal) throw new AppError('UNAUTHENTICATED');
  return req.principal;
}

/** What actions and audit events need to know of this request. */
export function contextOf(req: Request): RequestContext {
  const ip = req.ip ?? null;
  return {
    correlationId: req.correlationId,
    tenantId: req.principal?.tenantId ?? null,
    actor: req.principal?.staffId ?? 'anonymous',
    sessionId: req.principal?.sessionId ?? null,
    ip,
    country: depsOf(req).geo.country(ip),
    userAgent: req.headers['user-agent']?.slice(0, MAX_USER_AGENT) ?? null,
  };
}
