import type { Signal } from './signal';

const TOGETHER_MS = 15 * 60_000;

/**
 * Another live session of the same person was active within the last quarter of an hour in another country. What a new
 * country or a distance says already is not said again: left are pairs of known countries that lie close together.
 *
 * False positives: a laptop on a VPN beside a phone without. It counts only with something else.
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
