import type { Request, Response } from 'express';
import type { ErrorCode } from '../errors';

const FORWARD_AUTH = '/api/forward-auth';

/** The routes that gateways ask. */
const GATEWAY_ROUTES: readonly unknown[] = [FORWARD_AUTH, '/api/forward-auth/envoy'];

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
  const route: unknown = res.locals['route'];
  if (!GATEWAY_ROUTES.includes(route)) return undefined;
  res.setHeader('x-gatehouse-error', code);
  if (code !== 'STEP_UP_REQUIRED') return undefined;
  res.setHeader('x-gatehouse-challenge', toAscii(body));
  // The query of any other route is that of the gateway's client.
  return route === FORWARD_AUTH && req.query['deny'] === '403' ? 403 : undefined;
}
