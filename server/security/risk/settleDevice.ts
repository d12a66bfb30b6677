import type { SecurityDeps } from '../deps';
import { markOfBrowser, readBegunLogin } from '../stepUp/begunLogin';
import { fromChallengeId } from '../stepUp/challengeId';
import { findChallenge } from '../stepUp/challengeStore';
import { identifyDevice } from './devices';
import type { DeviceIdentity } from './devices';
import { isKnownDevice } from './riskFactsStore';

/**
 * Chooses the device cookie that the browser keeps after a sign-in: the one that was sent if this
 * person has signed in with it before, otherwise a new one. A cookie that belongs to somebody else,
 * or was planted, never becomes theirs. The hashes that a score compares stay as they were sent. If
 * the look-up fails, the cookie stays, because the scorer must not break a login.
 */
export async function settleDevice(
  deps: Pick<SecurityDeps, 'db' | 'keys' | 'random' | 'logger'>,
  device: DeviceIdentity,
  who: { userId: string; userAgent: string | null },
): Promise<DeviceIdentity> {
  if (device.cookieHash === null) return device;
  try {
    for (const hash of device.cookieHashes) {
      if (await isKnownDevice(deps.db, who.userId, hash)) return device;
    }
  } catch (error) {
    deps.logger.warn({ err: error }, 'the known devices could not be read');
    return device;
  }
  const { cookie, learned } = identifyDevice(deps.keys, deps.random, undefined, who.userAgent);
  return { ...device, cookie, learned };
}

/**
 * Returns the challenge in a cookie if the browser that sends it also began it. An attacker who
 * plants their own challenge cookie in another browser gets no proof from there.
 * @returns undefined, as without a cookie, if another browser began it
 */
export async function readBoundChallenge(
  deps: Pick<SecurityDeps, 'db' | 'keys'>,
  cookie: string | undefined,
  device: DeviceIdentity,
): Promise<string | undefined> {
  const begun = cookie === undefined ? undefined : readBegunLogin(deps.keys, cookie);
  if (begun) {
    const marks = device.browserHashes.map(markOfBrowser);
    return marks.includes(begun.browser) ? cookie : undefined;
  }
  const id = cookie === undefined ? null : fromChallengeId(deps.keys, cookie);
  const challenge = id === null ? undefined : await findChallenge(deps.db, id);
  const browser = challenge?.browserHash ?? null;
  // A challenge of an earlier release has no browser hash. It lives for ten minutes only.
  return browser === null || device.browserHashes.includes(browser) ? cookie : undefined;
}
