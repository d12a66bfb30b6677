import type { Signal } from './signal';

/**
 * A device that no login has succeeded on. Somebody without history has nothing to differ from: a first login is not
 * suspicious for that. Somebody whose devices were all forgotten, because a thief's session taught them, has signed in
 * before: each device is new to them. A device that shows nothing to be known by is a new one: hiding must not pay.
 *
 * False positives: a new laptop, a cleared browser, a private window. Alone it asks for nothing.
 */
export const newDevice: Signal = {
  code: 'NEW_DEVICE',
  weight: 25,
  doubtsPlace: true,
  look({ deviceHashes }, history) {
    if (history.deviceHashes.size === 0 && history.lastLoginAt === null) return null;
    if (deviceHashes.some((hash) => history.deviceHashes.has(hash))) return null;
    return { knownDevices: history.deviceHashes.size };
  },
};
