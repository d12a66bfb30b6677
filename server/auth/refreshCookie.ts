import type { Request, Response } from 'express';
import type { AuthDeps } from './deps';
import { AppError } from '../errors';
import type { ErrorCode } from '../errors';
import {
  clearRefreshCookie,
  countRefreshCookies,
  readRefreshCookie,
  setRefreshCookie,
} from '../http/cookies';
import { isCrossSite } from '../http/crossSite';
import { contextOf } from '../http/request';
import { logoutByToken } from './endSessions';
import type { IssuedToken, TokenPair } from './openSession';

type Answered = Omit<TokenPair, 'refreshToken'>;

/** After these errors the token in the cookie is useless. */
const ENDED: readonly ErrorCode[] = ['INVALID_REFRESH_TOKEN', 'FORCE_LOGOUT'];

/**
 * Refuses a page of another origin before anything else is read. SameSite=Strict stops pages of
 * other sites from using the cookie. This check also stops pages of another origin on the same
 * site, which could otherwise sign a browser in as somebody else.
 * @throws AppError ORIGIN_REFUSED
 */
export function refuseOtherOrigins(req: Request): void {
  if (!isCrossSite(req)) return;
  throw new AppError('ORIGIN_REFUSED', {
    detail:
      'Send the request from a page of this origin: no other page can use the refresh cookie.',
  });
}

/**
 * Reads the refresh token from the browser's cookie. Nothing is spent or revoked.
 * @returns the token; undefined if the client did not ask for the cookie and sent none
 * @throws AppError ORIGIN_REFUSED; INVALID_INPUT if there are two cookies; INVALID_REFRESH_TOKEN if
 * there is none
 */
export function presentedCookie(req: Request, res: Response, optedIn: boolean): string | undefined {
  const count = countRefreshCookies(req);
  if (count === 0 && !optedIn) return undefined;
  refuseOtherOrigins(req);
  // One of the two was planted, and it is impossible to tell which. Neither is spent; the session
  // goes on once one is removed.
  if (count > 1) {
    throw new AppError('INVALID_INPUT', {
      detail: 'The request has two refresh cookies. Remove one of them.',
    });
  }
  const token = readRefreshCookie(req);
  if (token === undefined) {
    // The cookie holds no token, so the browser need not send it again.
    if (count === 1) clearRefreshCookie(req, res);
    throw new AppError('INVALID_REFRESH_TOKEN');
  }
  return token;
}

function keep(deps: AuthDeps, req: Request, res: Response, issued: IssuedToken): void {
  const { refreshToken, expiresAt, rememberMe } = issued;
  // Keep the cookie as long as the token is valid; each refresh sets a new one.
  const left = Math.max(expiresAt.getTime() - deps.clock.now().getTime(), 0);
  setRefreshCookie(req, res, refreshToken, rememberMe ? left : undefined);
}

/** Removes the rotated token from a 428 body, because the cookie holds it. */
function withoutToken({ code, detail, extra, headers, cause }: AppError): AppError {
  const rest: Record<string, unknown> = { ...extra };
  delete rest['refreshToken'];
  const said = detail === undefined ? {} : { detail };
  return new AppError(code, { ...said, extra: rest, headers: { ...headers }, cause });
}

/**
 * Runs work that issues a refresh token for a browser. The token goes into the cookie and not into
 * the body, also if the work throws after it has rotated the chain.
 * @returns the body
 */
export async function throughCookie(
  deps: AuthDeps,
  req: Request,
  res: Response,
  work: (onIssued: (issued: IssuedToken) => void) => Promise<TokenPair>,
): Promise<Answered> {
  const given: IssuedToken[] = [];
  const leave = () => {
    for (const issued of given) keep(deps, req, res, issued);
  };
  try {
    const tokens = await work((issued) => void given.push(issued));
    leave();
    const body: Answered & Partial<TokenPair> = { ...tokens };
    delete body.refreshToken;
    return body;
  } catch (error) {
    if (error instanceof AppError && ENDED.includes(error.code)) clearRefreshCookie(req, res);
    else leave();
    throw error instanceof AppError ? withoutToken(error) : error;
  }
}

/**
 * Ends the session whose cookie a login has replaced, because nobody holds its token any more. A
 * failure is only logged; the login remains valid.
 */
export async function endReplaced(
  deps: AuthDeps,
  req: Request,
  before: string | undefined,
  { refreshToken }: Pick<TokenPair, 'refreshToken'>,
): Promise<void> {
  // A lost answer that is returned again sets the cookie that the browser already has.
  if (before === undefined || before === refreshToken) return;
  try {
    await logoutByToken(deps, contextOf(req), before);
  } catch (error) {
    const { correlationId } = req;
    deps.logger.warn({ err: error, correlationId }, 'a replaced session could not be ended');
  }
}

/**
 * Signs the browser's session out by the cookie alone, and removes the cookie.
 * @returns false if there is no cookie
 * @throws AppError as {@link presentedCookie} does
 */
export async function endPresentedSession(
  deps: AuthDeps,
  req: Request,
  res: Response,
): Promise<boolean> {
  const token = presentedCookie(req, res, false);
  if (token === undefined) return false;
  await logoutByToken(deps, contextOf(req), token);
  clearRefreshCookie(req, res);
  return true;
}

/**
 * Removes the browser's cookie after a sign-out by access token, and ends the session of the token
 * in it. A cookie with an unusable token is removed too, because the person has signed out here. A
 * request from a page of another origin leaves the cookie alone.
 */
export async function endCookieSession(deps: AuthDeps, req: Request, res: Response): Promise<void> {
  if (countRefreshCookies(req) === 0 || isCrossSite(req)) return;
  const token = readRefreshCookie(req);
  if (token !== undefined) await logoutByToken(deps, contextOf(req), token);
  clearRefreshCookie(req, res);
}
