import type { Signal } from './signal';

const DAY_MS = 86_400_000;
const DORMANT_DAYS = 90;

/**
 * Nobody has signed in for ninety days: an account that was forgotten, and that nobody would miss.
 *
 * False positives: parental leave, a seasonal worker. With a new device it is still below a second proof; with a new
 * device from a new network at a new hour it is not.
 */
export const dormantAccount: Signal = {
  code: 'DORMANT_ACCOUNT',
  weight: 20,
  look({ at, now }, { lastLoginAt }) {
    if (at !== 'login' || lastLoginAt === null) return null;
    const days = Math.floor((now.getTime() - lastLoginAt) / DAY_MS);
    return days >= DORMANT_DAYS ? { days } : null;
  },
};
