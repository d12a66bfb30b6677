import { parse, stringify } from 'uuid';
import type { KeyRing } from '../../keyRing';
import { MINUTE_MS } from '../../durations';

/**
 * A login that begins with the second factor. Nothing is stored or counted before a code arrives:
 * the challenge's id carries all of it, sealed. For an account that does not exist it is built in
 * the same way from random ids, and only the server can tell the difference.
 */
export interface BegunLogin {
  /** The id of the challenge's row, once a right code has created it. */
  id: string;
  tenantId: string;
  userId: string;
  staffId: string;
  /**
   * The staff member's session version at the beginning; ending their sessions ends the challenge
   * too.
   */
  sessionVersion: number;
  /** The key, in hex, under which the tries of the e-mail address are counted. */
  subject: string;
  expiresAt: Date;
  rememberMe: boolean;
  /**
   * The first half of the HMAC of the browser's device id, in hex. The challenge cookie is valid
   * only in that browser.
   */
  browser: string;
  /** False if there is no such account, or it cannot sign in. */
  real: boolean;
}

/** How long it can be answered. */
export const BEGUN_FOR_MS = 10 * MINUTE_MS;

const PREFIX = 'chl_';
const BOUND_TO = 'begun-login/v1';
const UUIDS = 16;
const BROWSER = 16;
const SIZE = 4 * UUIDS + 16 + 4 + 6 + BROWSER + 1;

/** Returns the part of a browser's hash that a begun login carries. */
export const markOfBrowser = (browserHash: string): string => browserHash.slice(0, 2 * BROWSER);

/** Returns the challenge's id for the client: a sealed value of constant length. */
export function sealBegunLogin(keys: KeyRing, begun: BegunLogin): string {
  const plain = Buffer.alloc(SIZE);
  const ids = [begun.id, begun.tenantId, begun.userId, begun.staffId];
  for (const [index, id] of ids.entries()) Buffer.from(parse(id)).copy(plain, index * UUIDS);
  let at = plain.write(begun.subject, 4 * UUIDS, 'hex') + 4 * UUIDS;
  at = plain.writeUInt32BE(begun.sessionVersion, at);
  at = plain.writeUIntBE(begun.expiresAt.getTime(), at, 6);
  at += plain.write(begun.browser, at, BROWSER, 'hex');
  plain.writeUInt8((begun.real ? 1 : 0) | (begun.rememberMe ? 2 : 0), at);
  return PREFIX + keys.seal(plain, BOUND_TO).toString('base64url');
}

/** @returns undefined for anything that this server did not issue as the id of a begun login */
export function readBegunLogin(keys: KeyRing, challengeId: string): BegunLogin | undefined {
  const sealed = Buffer.from(challengeId.slice(PREFIX.length), 'base64url');
  // Accept only the canonical encoding: another string that decodes to the same bytes is not the
  // same id.
  if (challengeId !== PREFIX + sealed.toString('base64url')) return undefined;
  let plain: Buffer;
  try {
    plain = keys.open(sealed, BOUND_TO);
  } catch {
    return undefined;
  }
  if (plain.length !== SIZE) return undefined;
  const idAt = (index: number) => stringify(plain.subarray(index * UUIDS, (index + 1) * UUIDS));
  const flags = plain.readUInt8(SIZE - 1);
  return {
    id: idAt(0),
    tenantId: idAt(1),
    userId: idAt(2),
    staffId: idAt(3),
    subject: plain.subarray(4 * UUIDS, 4 * UUIDS + 16).toString('hex'),
    sessionVersion: plain.readUInt32BE(4 * UUIDS + 16),
    expiresAt: new Date(plain.readUIntBE(4 * UUIDS + 20, 6)),
    browser: plain.subarray(4 * UUIDS + 26, 4 * UUIDS + 26 + BROWSER).toString('hex'),
    real: (flags & 1) === 1,
    rememberMe: (flags & 2) === 2,
  };
}
