import type { Signal } from './signal';

/**
 * No login has succeeded on this device before. A person without history has nothing to compare
 * with, so their first login is not suspicious. A person whose devices were all forgotten, because
 * an attacker's session had taught them, has signed in before, so each device is new. A device that
 * sends nothing to recognise it by counts as new, so that hiding has no advantage.
 * False positives: a new laptop, a cleared browser, a private window. Alone it does not ask for a
 * proof.
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
