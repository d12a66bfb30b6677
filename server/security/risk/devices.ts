import type { Random } from '../../context';
import { isSameSecret } from '../../isSameSecret';
import type { KeyRing } from '../../keyRing';

export interface DeviceIdentity {
  /**
   * The hash of the request's device cookie; null if it had none, or the server did not sign it.
   */
  readonly cookieHash: string | null;
  /**
   * The cookie's hash under each accepted key, the current one first; empty if there was no valid
   * cookie.
   */
  readonly cookieHashes: readonly string[];
  /**
   * The hashes that a success teaches and a score compares: of the cookie, then of the user agent.
   */
  readonly hashes: readonly string[];
  /** The signed value of the cookie to set at a sign-in: the one that was sent, or a new one. */
  readonly cookie: string;
  /**
   * The value to set before a sign-in: {@link DeviceIdentity.cookie} if it was sent, otherwise the
   * same id with another signature. Anybody can get it without a proof, so it gives no quota.
   */
  readonly offeredCookie: string;
  /** {@link DeviceIdentity.hashes}, with the hash of the new cookie if there was none. */
  readonly learned: readonly string[];
  /**
   * {@link DeviceIdentity.hashes}, then the same under the other accepted keys, which match what
   * was learnt before a key rotation.
   */
  readonly compared: readonly string[];
  /** Maps the hashes of this device under former keys to those under the current key. */
  readonly renewed: ReadonlyMap<string, string>;
  /**
   * Binds the challenge cookie to the browser: the HMAC of the device id in the cookie that is set
   * again.
   */
  readonly browserHash: string;
  /** The same for the cookie that was sent, under each accepted key; empty if none was sent. */
  readonly browserHashes: readonly string[];
}

/** What a signature says about a cookie: a sign-in set it, or an answer that came before one. */
type Signature = 'cookie-signature' | 'offered-cookie-signature';

const signaturesOf = (keys: KeyRing, kind: Signature, id: string): string[] =>
  keys.hashAll('device', kind, id).map((hash) => hash.subarray(0, 16).toString('base64url'));

/** Returns the hash under each accepted key, the current one first. */
const hashesOf = (keys: KeyRing, kind: 'cookie' | 'user-agent', value: string): string[] =>
  keys.hashAll('device', kind, value).map((hash) => hash.toString('hex'));

/** Returns the hashes of a user agent, or of a missing one, under each accepted key. */
export const hashesOfAgent = (keys: KeyRing, userAgent: string | null): readonly string[] =>
  hashesOf(keys, 'user-agent', userAgent ?? '');

function readCookieId(keys: KeyRing, kind: Signature, cookie: string | undefined): string | null {
  const [id, signature] = (cookie ?? '').split('.');
  if (!id || !signature) return null;
  const fits = signaturesOf(keys, kind, id).some((expected) => isSameSecret(signature, expected));
  return fits ? id : null;
}

/**
 * Returns the key under which the requests of the device with this cookie are counted, or undefined
 * if the cookie does not come from a sign-in at this server.
 */
export const deviceOfCookie = (keys: KeyRing, cookie: string | undefined): string | undefined =>
  readCookieId(keys, 'cookie-signature', cookie) ?? undefined;

/**
 * Identifies a device by the cookie that an earlier answer signed for it, and by its user agent. A
 * cookie that this server did not sign counts as none.
 */
export function identifyDevice(
  keys: KeyRing,
  random: Random,
  cookie: string | undefined,
  userAgent: string | null,
): DeviceIdentity {
  const signedInId = readCookieId(keys, 'cookie-signature', cookie);
  const knownId = signedInId ?? readCookieId(keys, 'offered-cookie-signature', cookie);
  const id = knownId ?? random.bytes(16).toString('base64url');
  const cookieHashes = hashesOf(keys, 'cookie', id);
  // A missing user agent is hashed like any other value: hiding it is as new as showing another
  // one.
  const agentHashes = hashesOfAgent(keys, userAgent);
  const [cookieHash = '', ...formerCookies] = cookieHashes;
  const [agentHash = '', ...formerAgents] = agentHashes;
  const hashes = knownId === null ? [agentHash] : [cookieHash, agentHash];
  const renewed = [
    ...(knownId === null ? [] : formerCookies.map((hash) => [hash, cookieHash] as const)),
    ...formerAgents.map((hash) => [hash, agentHash] as const),
  ];
  const cookieOf = (kind: Signature) => `${id}.${signaturesOf(keys, kind, id)[0]}`;
  const browser = keys.hashAll('device', 'browser', id).map((hash) => hash.toString('hex'));
  return {
    browserHash: keys.hash('device', 'browser', id).toString('hex'),
    browserHashes: knownId === null ? [] : browser,
    cookieHash: knownId === null ? null : cookieHash,
    cookieHashes: knownId === null ? [] : cookieHashes,
    hashes,
    cookie: cookieOf('cookie-signature'),
    offeredCookie: cookieOf(signedInId ? 'cookie-signature' : 'offered-cookie-signature'),
    learned: [cookieHash, agentHash],
    compared: [...hashes, ...renewed.map(([former]) => former)],
    renewed: new Map(renewed),
  };
}

/**
 * Replaces the stored hashes of this device by those under the current key; hashes of other devices
 * stay.
 */
export const renewHashes = (
  { renewed }: Pick<DeviceIdentity, 'renewed'>,
  stored: readonly string[],
): string[] => stored.map((hash) => renewed.get(hash) ?? hash);
