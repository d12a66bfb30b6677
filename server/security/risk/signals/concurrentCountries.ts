import { MINUTE_MS } from '../../../durations';
import type { Signal } from './signal';

const TOGETHER_MS = 15 * MINUTE_MS;

/**
 * Another live session of the same person was active in another country within the last 15 minutes.
 * NEW_COUNTRY and IMPOSSIBLE_TRAVEL cover most such cases, so this one adds weight only for known
 * countries that lie close together.
 * False positives: a laptop on a VPN and a phone without one. It is too weak to ask for a proof
 * alone.
 */
export const concurrentCountries: Signal = {
  code: 'CONCURRENT_COUNTRIES',
  weight: 15,
  doubtsPlace: true,
  unless: ['NEW_COUNTRY', 'IMPOSSIBLE_TRAVEL'],
  look({ country, now, session }, { sessions }) {
    if (country === null) return null;
    const elsewhere = sessions.find(
      (other) =>
        other.id !== session?.id &&
        other.country !== null &&
        other.country !== country &&
        now.getTime() - other.lastSeenAt <= TOGETHER_MS,
    );
    const other = elsewhere?.country ?? null;
    return other === null ? null : { here: country, elsewhere: other };
  },
};
