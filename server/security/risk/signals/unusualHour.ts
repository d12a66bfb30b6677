import type { Signal } from './signal';

/** Fewer logins do not show when a person works. */
const ENOUGH_LOGINS = 20;

/**
 * None of at least twenty logins was within an hour of this hour of the day. A new country explains
 * the hour, so NEW_COUNTRY covers it.
 * False positives: a night shift, a deadline. It adds to other signals, and never asks for a proof
 * alone; after one login the hour is known.
 */
export const unusualHour: Signal = {
  code: 'UNUSUAL_HOUR',
  weight: 10,
  unless: ['NEW_COUNTRY'],
  look({ at, now }, { hours }) {
    const logins = hours.reduce((sum, count) => sum + count, 0);
    // An open session is refreshed at any hour.
    if (at !== 'login' || logins < ENOUGH_LOGINS) return null;
    const hour = now.getUTCHours();
    const near = [hour + 23, hour, hour + 1].some((one) => (hours[one % 24] ?? 0) > 0);
    return near ? null : { hourUtc: hour, logins };
  },
};
