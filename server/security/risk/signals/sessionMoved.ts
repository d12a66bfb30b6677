import type { Signal } from './signal';

/**
 * A refresh comes from another device or country than the session's stored origin, which is that of
 * its login or of a later proof at a refresh. A token stays on its device, so one that appears on
 * another device was copied. NEW_COUNTRY covers a new country with more weight.
 * False positives: a traveller between two known countries; a client without cookies whose user
 * agent changed with an update. Alone it does not ask for a proof; with a new device and a new
 * network it does.
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
    // The first hash is the strongest: the cookie's if there is one, otherwise the user agent's.
    const otherDevice =
      deviceHashes.length > 0 && (device === undefined || !deviceHashes.includes(device));
    if (!otherCountry && !otherDevice) return null;
    return {
      ...(otherCountry ? { from, to: country } : {}),
      ...(otherDevice ? { device: 'another' } : {}),
    };
  },
};
