import type { Signal } from './signal';

/** Fewer say nothing about when somebody works. */
const ENOUGH_LOGINS = 20;

/**
 * An hour at which, give or take one, none of at least twenty logins was. A new country explains the hour, and has
 * said so already.
 *
 * False positives: a night shift, a deadline. It tips a balance, and never asks by itself; one login teaches it.
 */
export const unusualHour: Signal = {
  code: 'UNUSUAL_HOUR',
  weight: 10,
  unless: ['NEW_COUNTRY'],
  look({ at, now }, { hours }) {
    const logins = hours.reduce((sum, count) => sum + count, 0);
    // A session that somebody left open is refreshed at any hour.
    if (at !== 'login' || logins < ENOUGH_LOGINS) return null;
    const hour = now.getUTCHours();
    const near = [hour + 23, hour, hour + 1].some((one) => (hours[one % 24] ?? 0) > 0);
    return near ? null : { hourUtc: hour, logins };
  },
};
