import type { NextFunction, Request, Response } from 'express';
import { authenticate } from './authenticate';
import { readChallengeCookie, readDeviceCookie } from './cookies';
import { jsonBody } from './jsonBody';
import { contextOf } from './request';
import { guard } from './routeTable';
import type { ErrorNote } from './errorSchemas';

const ERRORS: readonly ErrorNote[] = [
  'UNAUTHENTICATED',
  'FORCE_LOGOUT',
  'IP_BLOCKED',
  'IP_RULES_UNAVAILABLE',
  'PERSON_REQUIRED',
  'IMPERSONATION_REFUSED: you act as another member, and cannot do this as them',
  'MALFORMED_JSON',
  'PAYLOAD_TOO_LARGE',
  'UNSUPPORTED_MEDIA_TYPE',
];

const parseBody = (req: Request, res: Response): Promise<void> =>
  new Promise((resolve, reject) => {
    const next: NextFunction = (error?: unknown) => {
      if (error) reject(error instanceof Error ? error : new Error('the body cannot be read'));
      else resolve();
    };
    jsonBody(req, res, next);
  });

async function readChallengeId(req: Request): Promise<string | undefined> {
  const body = req.body as { challengeId?: unknown } | undefined;
  const named = body?.challengeId;
  // Longer than any id that we issue, so the rest cannot matter.
  if (typeof named === 'string') return named.slice(0, 257);
  return req.services.readBoundChallenge(readChallengeCookie(req), readDeviceCookie(req));
}

/**
 * For the routes that enrol a factor: accepts an access token or, without one, the challenge of a
 * login that must enrol a factor first, from the body or the browser's cookie.
 */
export const authenticateEnrollee = guard(
  { bearer: 'required', errors: ERRORS },
  async (req, res, next) => {
    if (req.headers.authorization === undefined) {
      await parseBody(req, res);
      const challengeId = await readChallengeId(req);
      if (challengeId !== undefined) {
        req.principal = await req.services.findEnrollee(contextOf(req), challengeId);
        return next();
      }
    }
    return authenticate(req, res, next);
  },
);
