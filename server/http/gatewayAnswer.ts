import type { Request, Response } from 'express';
import type { ErrorCode } from '../errors';

/** The route that gateways ask. */
const FORWARD_AUTH = '/api/forward-auth';

/** Writes JSON with ASCII alone, because a header must not hold anything else. */
const toAscii = (json: string): string =>
  json.replace(/[^\x20-\x7e]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);

/**
 * Repeats an error in headers if a gateway asked: nginx drops the body of such an answer.
 * @returns the status for a gateway that knows only 401 and 403; undefined for that of the error
 */
export function answerGateway(
  req: Request,
  res: Response,
  code: ErrorCode,
  body: string,
): number | undefined {
  if (res.locals['route'] !== FORWARD_AUTH) return undefined;
  res.setHeader('x-gatehouse-error', code);
  if (code !== 'STEP_UP_REQUIRED') return undefined;
  res.setHeader('x-gatehouse-challenge', toAscii(body));
  return req.query['deny'] === '403' ? 403 : undefined;
}
