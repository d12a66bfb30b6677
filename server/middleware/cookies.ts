import { parseCookie } from 'cookie';
import type { CookieOptions, Request, Response } from 'express';
import { isCrossSite, isSecure } from './crossSite';

/** Carries the challenge of a login's or refresh's 428, so that a browser's bodies work as they are. */
const CHALLENGE_COOKIE = 'gh_challenge';
const CHALLENGE_MAX_AGE_SEC = 20 * 60;
const DEVICE_COOKIE = 'gh_device';
/** Browsers keep no cookie longer (RFC 6265bis 5.5). */
const DEVICE_MAX_AGE_SEC = 400 * 86_400;
/** Holds the refresh token of a browser that asked for it at its login. No route outside `/api/auth` reads it. */
const REFRESH_COOKIE = 'refresh';
const MAX_LENGTH = 256;

/** For every path: Gatehouse may be below one that it does not know. */
const plain = { httpOnly: true, sameSite: 'strict', path: '/' } as const;
/** On plain HTTP, the path of earlier releases. */
const FORMER_PATH = '/api';

/** A browser takes `__Host-` from this host alone, over TLS, for every path: a neighbour cannot plant one. */
const nameOf = (req: Request, name: string) => (isSecure(req) ? `__Host-${name}` : name);
const attributes = (req: Request): CookieOptions =>
  isSecure(req) ? { ...plain, secure: true } : plain;

const pairsOf = (req: Request, name: string): string[] =>
  (req.headers.cookie ?? '').split(';').filter((pair) => pair.split('=', 1)[0]?.trim() === name);

/** Of a name that is there twice one was planted, and nothing says which: both count for nothing. */
function readCookie(req: Request, name: string): string | undefined {
  if (isCrossSite(req)) return undefined;
  const pairs = pairsOf(req, name);
  const [only = ''] = pairs;
  const value = pairs.length === 1 ? parseCookie(only)[name] : undefined;
  return value === undefined || value === '' || value.length > MAX_LENGTH ? undefined : value;
}

export const readChallengeCookie = (req: Request) => readCookie(req, nameOf(req, CHALLENGE_COOKIE));

/** Also under its name of earlier releases: it is replaced unless the device is known for whoever signs in. */
export const readDeviceCookie = (req: Request) =>
  readCookie(req, nameOf(req, DEVICE_COOKIE)) ?? readCookie(req, DEVICE_COOKIE);

export function setChallengeCookie(req: Request, res: Response, challengeId: string): void {
  const maxAge = CHALLENGE_MAX_AGE_SEC * 1000;
  res.cookie(nameOf(req, CHALLENGE_COOKIE), challengeId, { ...attributes(req), maxAge });
}

export function clearChallengeCookie(req: Request, res: Response): void {
  const name = nameOf(req, CHALLENGE_COOKIE);
  if (readChallengeCookie(req) !== undefined) res.clearCookie(name, attributes(req));
}

export function setDeviceCookie(req: Request, res: Response, value: string): void {
  const maxAge = DEVICE_MAX_AGE_SEC * 1000;
  if (!isSecure(req) && pairsOf(req, DEVICE_COOKIE).length > 1) {
    // An earlier release set the other one; two of a name would count for nothing as long as it lives.
    res.clearCookie(DEVICE_COOKIE, { ...plain, path: FORMER_PATH });
  }
  res.cookie(nameOf(req, DEVICE_COOKIE), value, { ...attributes(req), maxAge });
}

export const countRefreshCookies = (req: Request): number =>
  pairsOf(req, nameOf(req, REFRESH_COOKIE)).length;

export const readRefreshCookie = (req: Request) => readCookie(req, nameOf(req, REFRESH_COOKIE));

/** @param maxAgeMs undefined for a cookie that the browser drops when it is closed */
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
