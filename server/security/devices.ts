import { timingSafeEqual } from 'node:crypto';
import type { Random } from '../context';
import type { KeyRing } from '../keyRing';

export interface DeviceIdentity {
  /** The hash of the device cookie that came along; null where there was none, or not ours. */
  readonly cookieHash: string | null;
  /** The same under each accepted key, the current one's first; empty if there was none. */
  readonly cookieHashes: readonly string[];
  /** What a success teaches and a score compares: the cookie's hash, then the user agent's. */
  readonly hashes: readonly string[];
  /** The cookie's signed value, to be set again: the one that came along, or a new one. */
  readonly cookie: string;
  /** {@link DeviceIdentity.hashes}, with the new cookie's in place of the missing one. */
  readonly learned: readonly string[];
  /** {@link DeviceIdentity.hashes}, then the same under other accepted keys: what was learned before a rotation. */
  readonly compared: readonly string[];
  /** From what another accepted key made of this device to what the current one makes of it. */
  readonly renewed: ReadonlyMap<string, string>;
  /** What binds a challenge's cookie to the browser: of the cookie that is set again. */
  readonly browserHash: string;
  /** The same of the cookie that came along, under each accepted key; empty where none did. */
  readonly browserHashes: readonly string[];
}

const signaturesOf = (keys: KeyRing, id: string): string[] =>
  keys
    .hashAll('device', 'cookie-signature', id)
    .map((hash) => hash.subarray(0, 16).toString('base64url'));

/** The current key's first. */
const hashesOf = (keys: KeyRing, kind: 'cookie' | 'user-agent', value: string): string[] =>
  keys.hashAll('device', kind, value).map((hash) => hash.toString('hex'));

/** The hashes of a user agent, or of none, under each accepted key. */
export const hashesOfAgent = (keys: KeyRing, userAgent: string | null): readonly string[] =>
  hashesOf(keys, 'user-agent', userAgent ?? '');

function readCookieId(keys: KeyRing, cookie: string | undefined): string | null {
  const [id, signature] = (cookie ?? '').split('.');
  if (!id || !signature) return null;
  const given = Buffer.from(signature);
  const fits = signaturesOf(keys, id)
    .map((signature) => Buffer.from(signature))
    .some((expected) => given.length === expected.length && timingSafeEqual(given, expected));
  return fits ? id : null;
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
  const cookieHashes = hashesOf(keys, 'cookie', id);
  // A client that names no agent is known by that: hiding one is as new as showing another.
  const agentHashes = hashesOfAgent(keys, userAgent);
  const [cookieHash = '', ...formerCookies] = cookieHashes;
  const [agentHash = '', ...formerAgents] = agentHashes;
  const hashes = knownId === null ? [agentHash] : [cookieHash, agentHash];
  const renewed = [
    ...(knownId === null ? [] : formerCookies.map((hash) => [hash, cookieHash] as const)),
    ...formerAgents.map((hash) => [hash, agentHash] as const),
  ];
  const browser = keys.hashAll('device', 'browser', id).map((hash) => hash.toString('hex'));
  return {
    browserHash: keys.hash('device', 'browser', id).toString('hex'),
    browserHashes: knownId === null ? [] : browser,
    cookieHash: knownId === null ? null : cookieHash,
    cookieHashes: knownId === null ? [] : cookieHashes,
    hashes,
    cookie: `${id}.${signaturesOf(keys, id)[0]}`,
    learned: [cookieHash, agentHash],
    compared: [...hashes, ...renewed.map(([former]) => former)],
    renewed: new Map(renewed),
  };
}

/** What was stored of a device, as the current key names it if it is this one. */
export const renewHashes = (
  { renewed }: Pick<DeviceIdentity, 'renewed'>,
  stored: readonly string[],
): string[] => stored.map((hash) => renewed.get(hash) ?? hash);
