import type { Request } from 'express';
import { readDeviceCookie } from './cookies';
import type { Caller } from './rateVerdict';
import { knownAddressOf } from './request';

/** Returns the sender of a request without a session, as the rate limits see it. */
export function senderOf(req: Request) {
  const { ip, silentProxy } = knownAddressOf(req);
  return { ip: silentProxy ? null : ip, deviceCookie: readDeviceCookie(req) };
}

/**
 * Returns the sender of a request whose credentials are refused.
 * @param session that of an access token which was ours, but which has ended
 */
export const refusedSenderOf = (req: Request, session?: string): Caller => ({
  ...senderOf(req),
  refused: true,
  session,
});
