import type { Request, Response } from 'express';
import type { AuthDeps } from './deps';
import { AppError } from '../errors';
import {
  clearChallengeCookie,
  readChallengeCookie,
  readDeviceCookie,
  readRefreshCookie,
  setChallengeCookie,
  setDeviceCookie,
} from '../http/cookies';
import { contextOf } from '../http/request';
import { identifyDevice, readBoundChallenge } from '../security';
import type { DeviceIdentity } from '../security';
import type { IssuedToken, TokenPair } from './openSession';
import { endReplaced, refuseOtherOrigins, throughCookie } from './refreshCookie';

/** Identifies the browser by its cookie, or offers it one. */
export const deviceOf = (deps: AuthDeps, req: Request) =>
  identifyDevice(deps.keys, deps.random, readDeviceCookie(req), contextOf(req).userAgent);

/** Reads the challenge in the cookie, if this browser began it. */
export const challengeOf = (deps: AuthDeps, req: Request, device: DeviceIdentity) =>
  readBoundChallenge(deps, readChallengeCookie(req), device);

/**
 * Runs work, and if it fails with a 428 that offers a challenge, sets the challenge cookie and the
 * cookie of the device to which the challenge is bound.
 */
export async function withChallengeCookie<T>(
  req: Request,
  res: Response,
  device: DeviceIdentity,
  work: Promise<T>,
): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const offered = error instanceof AppError ? error.extra['challengeId'] : undefined;
    if (typeof offered === 'string') {
      setChallengeCookie(req, res, offered);
      setDeviceCookie(req, res, device.offeredCookie);
    }
    throw error;
  }
}

export interface SignInListeners {
  /** Called with the device cookie that the browser should keep. */
  onDevice: (cookie: string) => void;
  onIssued: (issued: IssuedToken) => void;
}

/**
 * Answers a sign-in and sets the device cookie, and also the refresh cookie if the client asked for
 * it.
 */
export async function answerSignIn(
  deps: AuthDeps,
  exchange: { req: Request; res: Response; device: DeviceIdentity; refreshCookie: boolean },
  work: (listeners: SignInListeners) => Promise<TokenPair>,
): Promise<void> {
  const { req, res, device, refreshCookie } = exchange;
  if (refreshCookie) refuseOtherOrigins(req);
  const before = readRefreshCookie(req);
  let kept = device.cookie;
  const onDevice = (cookie: string) => void (kept = cookie);
  const body = refreshCookie
    ? await throughCookie(deps, req, res, async (onIssued) => {
        const tokens = await work({ onDevice, onIssued });
        await endReplaced(deps, req, before, tokens);
        return tokens;
      })
    : await work({ onDevice, onIssued: () => undefined });
  setDeviceCookie(req, res, kept);
  clearChallengeCookie(req, res);
  res.json(body);
}
