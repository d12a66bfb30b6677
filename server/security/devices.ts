import { timingSafeEqual } from 'node:crypto';
import type { Random } from '../context';
import type { KeyRing } from '../keyRing';

export interface DeviceIdentity {
  /** The hash of the device cookie that came along; null where there was none, or not ours. */
  readonly cookieHash: string | null;
  /** What a success teaches and a score compares: the cookie's hash, then the user agent's. */
  readonly hashes: readonly string[];
  /** The cookie's signed value, to be set again: the one that came along, or a new one. */
  readonly cookie: string;
  /** {@link DeviceIdentity.hashes}, with the new cookie's in place of the missing one. */
  readonly learned: readonly string[];
}

const sign = (keys: KeyRing, id: string) =>
  keys.hash('device', 'cookie-signature', id).subarray(0, 16).toString('base64url');

const hashOf = (keys: KeyRing, kind: 'cookie' | 'user-agent', value: string) =>
  keys.hash('device', kind, value).toString('hex');

/** The hashes of a user agent, or of none, under each accepted key. */
export const hashesOfAgent = (keys: KeyRing, userAgent: string | null): readonly string[] =>
  keys.hashAll('device', 'user-agent', userAgent ?? '').map((hash) => hash.toString('hex'));

function readCookieId(keys: KeyRing, cookie: string | undefined): string | null {
  const [id, signature] = (cookie ?? '').split('.');
  if (!id || !signature) return null;
  const given = Buffer.from(signature);
  const expected = Buffer.from(sign(keys, id));
  return given.length === expected.length && timingSafeEqual(given, expected) ? id : null;
}

/**
 * Tells a device by the cookie that an earlier login signed for it, and by its user agent where there is
 * none. A cookie that this server did not sign counts as none.
 */
export function identifyDevice(
  keys: KeyRing,
  random: Random,
  cookie: string | undefined,
  userAgent: string | null,
): DeviceIdentity {
  const knownId = readCookieId(keys, cookie);
  const id = knownId ?? random.bytes(16).toString('base64url');
  const cookieHash = hashOf(keys, 'cookie', id);
  // A client that names no agent is known by that: hiding one is as new as showing another.
  const agentHash = hashOf(keys, 'user-agent', userAgent ?? '');
  return {
    cookieHash: knownId === null ? null : cookieHash,
    hashes: knownId === null ? [agentHash] : [cookieHash, agentHash],
    cookie: `${id}.${sign(keys, id)}`,
    learned: [cookieHash, agentHash],
  };
}
