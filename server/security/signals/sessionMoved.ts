import type { Signal } from './signal';

/**
 * A refresh from another device, or from another country, than the one its session is at home on or in: where it began,
 * or where a proof at a refresh has moved it. A token moves with
 * its device: one that turns up on another was copied. A new country has said so already, and louder.
 *
 * False positives: a traveller between two countries that are both known; a client without cookies whose user agent
 * changed with an update. Alone it asks for nothing; on a device and in a network that are both new, it does.
 */
export const sessionMoved: Signal = {
  code: 'SESSION_MOVED',
  weight: 25,
  doubtsPlace: true,
  unless: ['NEW_COUNTRY'],
  look({ at, session, country, deviceHashes: [device] }) {
    if (at !== 'refresh' || session === null) return null;
    const { country: from, deviceHashes } = session;
    const otherCountry = from !== null && country !== null && from !== country;
    // Best first: the cookie where there is one, else the user agent.
    const otherDevice =
      deviceHashes.length > 0 && (device === undefined || !deviceHashes.includes(device));
    if (!otherCountry && !otherDevice) return null;
    return {
      ...(otherCountry ? { from, to: country } : {}),
      ...(otherDevice ? { device: 'another' } : {}),
    };
  },
};
