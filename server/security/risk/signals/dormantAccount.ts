import { DAY_MS } from '../../../durations';
import type { Signal } from './signal';

const DORMANT_DAYS = 90;

/**
 * Nobody has signed in for ninety days: a forgotten account, whose misuse nobody would notice.
 * False positives: parental leave, a seasonal worker. With a new device it stays below the step-up
 * threshold; with a new device, a new network and an unusual hour it does not.
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
