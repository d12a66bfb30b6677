import { parseCookie } from 'cookie';
import type { CookieOptions, Request, Response } from 'express';
import { depsOf } from './request';

/** Carries the challenge of a login's or refresh's 428, so that a browser's bodies work as they are. */
const CHALLENGE_COOKIE = 'gh_challenge';
const CHALLENGE_MAX_AGE_SEC = 20 * 60;
const DEVICE_COOKIE = 'gh_device';
/** Browsers keep no cookie longer (RFC 6265bis 5.5). */
const DEVICE_MAX_AGE_SEC = 400 * 86_400;

const attributes = (req: Request): CookieOptions => ({
  httpOnly: true,
  sameSite: 'strict',
  secure: depsOf(req).config.production || req.secure,
  path: '/api',
});

function readCookie(req: Request, name: string): string | undefined {
  const value = parseCookie(req.headers.cookie ?? '')[name];
  return value === undefined || value === '' || value.length > 256 ? undefined : value;
}

export const readChallengeCookie = (req: Request) => readCookie(req, CHALLENGE_COOKIE);
export const readDeviceCookie = (req: Request) => readCookie(req, DEVICE_COOKIE);

export function setChallengeCookie(req: Request, res: Response, challengeId: string): void {
  const maxAge = CHALLENGE_MAX_AGE_SEC * 1000;
  res.cookie(CHALLENGE_COOKIE, challengeId, { ...attributes(req), maxAge });
}

export function clearChallengeCookie(req: Request, res: Response): void {
  if (readChallengeCookie(req) !== undefined) res.clearCookie(CHALLENGE_COOKIE, attributes(req));
}

export function setDeviceCookie(req: Request, res: Response, value: string): void {
  res.cookie(DEVICE_COOKIE, value, { ...attributes(req), maxAge: DEVICE_MAX_AGE_SEC * 1000 });
}
