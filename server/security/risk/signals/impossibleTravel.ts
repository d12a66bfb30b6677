import { HOUR_MS } from '../../../durations';
import { distanceBetweenCountries } from '../geo';
import type { Signal } from './signal';

/**
 * Faster than an airliner. Distances are measured between the centroids of two countries; the
 * allowance covers neighbouring countries, and centroids far from where people live.
 */
const SPEED_KMH = 1000;
const ALLOWANCE_KM = 800;

/**
 * The last successful login was too far away for the time since.
 * False positives: a VPN switched on between two logins. Countries that lie close together never
 * count.
 */
export const impossibleTravel: Signal = {
  code: 'IMPOSSIBLE_TRAVEL',
  weight: 25,
  doubtsPlace: true,
  look({ country, now }, { countries }) {
    const [latest] = [...countries].sort((a, b) => b[1] - a[1]);
    if (!latest || country === null || latest[0] === country) return null;
    const [from, at] = latest;
    const distance = distanceBetweenCountries(from, country);
    if (distance === null) return null;
    const hours = Math.max(0, now.getTime() - at) / HOUR_MS;
    if (distance <= ALLOWANCE_KM + hours * SPEED_KMH) return null;
    return { from, to: country, km: Math.round(distance), minutes: Math.round(hours * 60) };
  },
};
