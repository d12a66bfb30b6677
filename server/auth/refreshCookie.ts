import type { Request, Response } from 'express';
import type { Deps } from '../deps';
import { AppError } from '../errors';
import type { ErrorCode } from '../errors';
import {
  clearRefreshCookie,
  countRefreshCookies,
  readRefreshCookie,
  setRefreshCookie,
} from '../middleware/cookies';
import { isCrossSite } from '../middleware/crossSite';
import { contextOf } from '../middleware/request';
import { logoutByToken } from './endSessions';
import type { IssuedToken, TokenPair } from './openSession';

type Answered = Omit<TokenPair, 'refreshToken'>;

/** After these the cookie's token is of no use any more. */
const ENDED: readonly ErrorCode[] = ['INVALID_REFRESH_TOKEN', 'FORCE_LOGOUT'];

/**
 * Refuses a page of another origin before anything is looked at. SameSite=Strict keeps other sites' pages from using the
 * cookie; this keeps a neighbour on the same site from it, and from signing a browser in as somebody else.
 * @throws AppError ORIGIN_REFUSED
 */
export function refuseOtherOrigins(req: Request): void {
  if (!isCrossSite(req)) return;
  throw new AppError('ORIGIN_REFUSED', {
    detail: 'Only pages of this origin can use the refresh cookie: send the request from one.',
  });
}

/**
 * @returns the token of the browser's cookie; undefined if the client did not ask for the cookie and there is none
 * @throws AppError ORIGIN_REFUSED; INVALID_INPUT if there are two; INVALID_REFRESH_TOKEN if there is none. Nothing is
 *   spent or revoked
 */
export function presentedCookie(req: Request, res: Response, optedIn: boolean): string | undefined {
  const count = countRefreshCookies(req);
  if (count === 0 && !optedIn) return undefined;
  refuseOtherOrigins(req);
  // One of them was planted. Which, nobody can say: neither is spent, and the session goes on when one is gone.
  if (count > 1) {
    throw new AppError('INVALID_INPUT', { detail: 'There are two refresh cookies: remove one.' });
  }
  const token = readRefreshCookie(req);
  if (token === undefined) {
    // It is no token: the browser need not send it again.
    if (count === 1) clearRefreshCookie(req, res);
    throw new AppError('INVALID_REFRESH_TOKEN');
  }
  return token;
}

function keep(deps: Deps, req: Request, res: Response, issued: IssuedToken): void {
  const { refreshToken, expiresAt, rememberMe } = issued;
  // As long as the token is good: each refresh sets another cookie.
  const left = Math.max(expiresAt.getTime() - deps.clock.now().getTime(), 0);
  setRefreshCookie(req, res, refreshToken, rememberMe ? left : undefined);
}

/** The 428 of a refresh holds the rotated token: here the cookie does. */
function withoutToken({ code, detail, extra, headers, cause }: AppError): AppError {
  const rest: Record<string, unknown> = { ...extra };
  delete rest['refreshToken'];
  const said = detail === undefined ? {} : { detail };
  return new AppError(code, { ...said, extra: rest, headers: { ...headers }, cause });
}

/**
 * Does what issues a refresh token for a browser: the token goes into the cookie and not into the body, also if the answer
 * becomes an error once the chain was rotated.
 * @returns the body
 */
export async function throughCookie(
  deps: Deps,
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
 * Ends the session whose cookie a login has replaced: nobody has its token any more. The login stands, whatever becomes
 * of this.
 */
export async function endReplaced(
  deps: Deps,
  req: Request,
  before: string | undefined,
  { refreshToken }: Pick<TokenPair, 'refreshToken'>,
): Promise<void> {
  // A lost answer that is given again brings the cookie that the browser has already.
  if (before === undefined || before === refreshToken) return;
  try {
    await logoutByToken(deps, contextOf(req), before);
  } catch (error) {
    const { correlationId } = req;
    deps.logger.warn({ err: error, correlationId }, 'a replaced session could not be ended');
  }
}

/**
 * Signs the browser's session out by the cookie alone, and removes it.
 * @returns false if there is none
 * @throws AppError as {@link presentedCookie} does
 */
export async function endPresentedSession(
  deps: Deps,
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
 * Removes the browser's cookie after a sign-out by an access token, and ends the session of the token in it. A cookie whose token
 * cannot be used is removed too: the person has signed out here. For a page of another origin the cookie counts for nothing.
 */
export async function endCookieSession(deps: Deps, req: Request, res: Response): Promise<void> {
  if (countRefreshCookies(req) === 0 || isCrossSite(req)) return;
  const token = readRefreshCookie(req);
  if (token !== undefined) await logoutByToken(deps, contextOf(req), token);
  clearRefreshCookie(req, res);
}
