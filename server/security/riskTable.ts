/** Every number that a score is made of, in one place. */

/**
 * Any pair with a place in it asks for a step-up. The three that a traveller with a new laptop shows stay
 * below a block: a place alone never locks anybody out, it takes evidence of guessing as well.
 */
export const SIGNAL_WEIGHTS = {
  NEW_DEVICE: 25,
  NEW_COUNTRY: 35,
  IMPOSSIBLE_TRAVEL: 25,
  FAILED_ATTEMPTS: 15,
  FAILED_ATTEMPTS_MANY: 30,
} as const;

export const SCORE_CAP = 100;
export const STEP_UP_FROM = 60;
export const HIGH_RISK_FROM = 90;

/** Failed logins of the account in the last 15 minutes. */
export const FAILED_ATTEMPTS_FROM = 3;
export const FAILED_ATTEMPTS_MANY_FROM = 8;

/**
 * Faster than an airliner, measured between the middles of two countries: the allowance covers neighbours
 * and middles that lie far from where people live.
 */
export const TRAVEL_SPEED_KMH = 1000;
export const TRAVEL_ALLOWANCE_KM = 800;
