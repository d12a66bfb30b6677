import { parse, stringify } from 'uuid';
import type { Deps } from '../deps';
import type { KeyRing } from '../keyRing';
import { findShownFactorOwner } from './begunLoginStore';

/**
 * A login that begins with the factor. Nothing is stored and nothing is counted before a code comes: the challenge's id
 * carries all of it, sealed. One for an account that does not exist is made in the same way, of random ids, and nobody but
 * us can tell it from another.
 */
export interface BegunLogin {
  /** Of the challenge's row, once a right code has made one. */
  id: string;
  tenantId: string;
  userId: string;
  staffId: string;
  /** The staff member's version at the beginning: the challenge is ended with the sessions. */
  sessionVersion: number;
  /** Under which the tries of the e-mail address are counted, in hex. */
  subject: string;
  expiresAt: Date;
  rememberMe: boolean;
  /** The first half of the HMAC of the device id of the browser that began it, in hex: its cookie counts for that browser. */
  browser: string;
  /** False if there is no such account, or it cannot sign in. */
  real: boolean;
}

/** How long it can be answered. */
export const BEGUN_FOR_MS = 10 * 60_000;

const PREFIX = 'chl_';
const BOUND_TO = 'begun-login/v1';
const UUIDS = 16;
const BROWSER = 16;
const SIZE = 4 * UUIDS + 16 + 4 + 6 + BROWSER + 1;

/** What a begun login keeps of a browser's hash. */
export const markOfBrowser = (browserHash: string): string => browserHash.slice(0, 2 * BROWSER);

/** The challenge's id as a client holds it: a sealed value of always the same length. */
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

/** @returns undefined for anything that this server did not hand out as the id of a begun login */
export function readBegunLogin(keys: KeyRing, challengeId: string): BegunLogin | undefined {
  const sealed = Buffer.from(challengeId.slice(PREFIX.length), 'base64url');
  // One spelling: what decodes to the same bytes is not the same id.
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

/** @returns whose second factor was shown to a begun login, if it is one, verified, fresh and not used yet */
export async function findShownFactor(
  deps: Pick<Deps, 'db' | 'keys' | 'clock'>,
  challengeId: string,
): Promise<string | undefined> {
  const begun = readBegunLogin(deps.keys, challengeId);
  return begun && findShownFactorOwner(deps.db, begun.id, deps.clock.now());
}
