import type { Request } from 'express';
import { AppError } from '../errors';
import type { ErrorCode } from '../errors';
import { unauthenticated } from './request';
import { guard } from './routeTable';

/** RFC 6750 2.1; the scheme is case-insensitive (RFC 9110 11.1). */
const BEARER = /^bearer +([A-Za-z0-9._~+/-]+=*) *$/i;

/** The error codes for a token that is invalid or has ended. */
const ENDED: readonly ErrorCode[] = ['UNAUTHENTICATED', 'FORCE_LOGOUT'];

function bearerToken(req: Request): string | undefined {
  return BEARER.exec(req.headers.authorization ?? '')?.[1];
}

/** Checks the token's signature and the live session, at every request. */
export const authenticate = guard(
  { bearer: 'required', errors: ENDED },
  async (req, _res, next) => {
    const token = bearerToken(req);
    if (token === undefined) throw unauthenticated();
    req.principal = await req.services.authenticate(token);
    next();
  },
);

/**
 * For a route that works with or without a session: a request without a token, or with one that is
 * invalid or has ended, continues unauthenticated. An unreachable database is still an error.
 */
export const authenticateIfPresent = guard({ bearer: 'optional' }, async (req, res, next) => {
  if (bearerToken(req) === undefined) return next();
  try {
    await authenticate(req, res, () => undefined);
  } catch (error) {
    if (!(error instanceof AppError && ENDED.includes(error.code))) throw error;
    req.refusal = error;
  }
  next();
});
