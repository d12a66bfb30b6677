import type { Deps } from '../deps';
import { markOfBrowser, readBegunLogin } from './begunLogin';
import { fromChallengeId } from './challengeId';
import { findChallenge } from './challengeStore';
import { identifyDevice } from './devices';
import type { DeviceIdentity } from './devices';
import { isKnownDevice } from './riskFactsStore';

/**
 * Says which device cookie somebody who signs in leaves with: the one that came along if this person has signed in with
 * it before, else a new one. A cookie that somebody else was given, or planted, never becomes theirs. What a score
 * compares stays as it came. If it cannot be looked up, the cookie stays: no advisory check may break a login.
 */
export async function settleDevice(
  deps: Pick<Deps, 'db' | 'keys' | 'random' | 'logger'>,
  device: DeviceIdentity,
  who: { userId: string; userAgent: string | null },
): Promise<DeviceIdentity> {
  if (device.cookieHash === null) return device;
  try {
    for (const hash of device.cookieHashes) {
      if (await isKnownDevice(deps.db, who.userId, hash)) return device;
    }
  } catch (error) {
    deps.logger.warn({ err: error }, 'whether a device is known could not be looked up');
    return device;
  }
  const { cookie, learned } = identifyDevice(deps.keys, deps.random, undefined, who.userAgent);
  return { ...device, cookie, learned };
}

/**
 * The challenge of a cookie, if the browser that sends it is the one that began it: somebody who plants the cookie of
 * their own login in another browser gets no proof from there.
 * @returns undefined as if there were no cookie
 */
export async function readBoundChallenge(
  deps: Pick<Deps, 'db' | 'keys'>,
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
  // A challenge of an earlier release has none; it lives ten minutes.
  return browser === null || device.browserHashes.includes(browser) ? cookie : undefined;
}
