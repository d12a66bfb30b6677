import { parseCookie } from 'cookie';
import type { CookieOptions, Request, Response } from 'express';
import { DAY_SEC, MINUTE_SEC, SECOND_MS } from '../durations';
import { isCrossSite, isSecure } from './crossSite';

/**
 * Holds the challenge from the 428 of a login or refresh, so that browsers need not send it in the
 * body.
 */
const CHALLENGE_COOKIE = 'gh_challenge';
const CHALLENGE_MAX_AGE_SEC = 20 * MINUTE_SEC;
const DEVICE_COOKIE = 'gh_device';
/** Browsers keep no cookie longer (RFC 6265bis 5.5). */
const DEVICE_MAX_AGE_SEC = 400 * DAY_SEC;
/**
 * Holds the refresh token of a browser that asked for this cookie at its login. No route outside
 * `/api/auth` reads it.
 */
const REFRESH_COOKIE = 'refresh';
/** Names the attempt of a browser that is sent to an identity provider. */
const SSO_COOKIE = 'sso';
const MAX_LENGTH = 256;

/**
 * Valid for every path, because a gateway may serve Gatehouse below a path that it does not know.
 */
const plain = { httpOnly: true, sameSite: 'strict', path: '/' } as const;
/** The path that earlier releases used on plain HTTP. */
const FORMER_PATH = '/api';

/**
 * A browser accepts a `__Host-` cookie only from this exact host, over TLS and for every path, so
 * another host of the same site cannot plant one.
 */
const nameOf = (req: Request, name: string) => (isSecure(req) ? `__Host-${name}` : name);
const attributes = (req: Request): CookieOptions =>
  isSecure(req) ? { ...plain, secure: true } : plain;

const pairsOf = (req: Request, name: string): string[] =>
  (req.headers.cookie ?? '').split(';').filter((pair) => pair.split('=', 1)[0]?.trim() === name);

/**
 * If a cookie name occurs twice, one was planted, and it is impossible to tell which, so both are
 * ignored.
 */
function readOnly(req: Request, name: string): string | undefined {
  const pairs = pairsOf(req, name);
  const [only = ''] = pairs;
  const value = pairs.length === 1 ? parseCookie(only)[name] : undefined;
  return value === undefined || value === '' || value.length > MAX_LENGTH ? undefined : value;
}

/** Ignores the cookies of a request that a page of another site made. */
const readCookie = (req: Request, name: string): string | undefined =>
  isCrossSite(req) ? undefined : readOnly(req, name);

export const readChallengeCookie = (req: Request) => readCookie(req, nameOf(req, CHALLENGE_COOKIE));

/**
 * Also accepts the name of earlier releases. A sign-in replaces the cookie unless the person is
 * known on this device.
 */
export const readDeviceCookie = (req: Request) =>
  readCookie(req, nameOf(req, DEVICE_COOKIE)) ?? readCookie(req, DEVICE_COOKIE);

export function setChallengeCookie(req: Request, res: Response, challengeId: string): void {
  const maxAge = CHALLENGE_MAX_AGE_SEC * SECOND_MS;
  res.cookie(nameOf(req, CHALLENGE_COOKIE), challengeId, { ...attributes(req), maxAge });
}

export function clearChallengeCookie(req: Request, res: Response): void {
  const name = nameOf(req, CHALLENGE_COOKIE);
  if (readChallengeCookie(req) !== undefined) res.clearCookie(name, attributes(req));
}

export function setDeviceCookie(req: Request, res: Response, value: string): void {
  const maxAge = DEVICE_MAX_AGE_SEC * SECOND_MS;
  if (!isSecure(req) && pairsOf(req, DEVICE_COOKIE).length > 1) {
    // An earlier release set the other cookie. While both exist, both would be ignored.
    res.clearCookie(DEVICE_COOKIE, { ...plain, path: FORMER_PATH });
  }
  res.cookie(nameOf(req, DEVICE_COOKIE), value, { ...attributes(req), maxAge });
}

export const countRefreshCookies = (req: Request): number =>
  pairsOf(req, nameOf(req, REFRESH_COOKIE)).length;

export const readRefreshCookie = (req: Request) => readCookie(req, nameOf(req, REFRESH_COOKIE));

/**
 * @param maxAgeMs in milliseconds; undefined for a cookie that the browser drops when it is closed
 */
export function setRefreshCookie(
  req: Request,
  res: Response,
  refreshToken: string,
  maxAgeMs: number | undefined,
): void {
  const kept = maxAgeMs === undefined ? {} : { maxAge: maxAgeMs };
  res.cookie(nameOf(req, REFRESH_COOKIE), refreshToken, { ...attributes(req), ...kept });
}

export function clearRefreshCookie(req: Request, res: Response): void {
  res.clearCookie(nameOf(req, REFRESH_COOKIE), attributes(req));
}

/**
 * Also reads the cookie of a request that a page of another site made: the way back from a provider
 * is a navigation from its page.
 */
export const readSsoCookie = (req: Request) => readOnly(req, nameOf(req, SSO_COOKIE));

/** Browsers send it with a navigation from another site (Lax), and with nothing else from there. */
const laxly = (req: Request): CookieOptions => ({ ...attributes(req), sameSite: 'lax' });

export function setSsoCookie(req: Request, res: Response, value: string, maxAgeMs: number): void {
  res.cookie(nameOf(req, SSO_COOKIE), value, { ...laxly(req), maxAge: maxAgeMs });
}

export function clearSsoCookie(req: Request, res: Response): void {
  res.clearCookie(nameOf(req, SSO_COOKIE), laxly(req));
}
