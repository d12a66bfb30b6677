import type { Signal } from './signal';

const SOME = 3;
const MANY = 8;

/**
 * Failed logins of the account in the last 15 minutes: somebody guesses, or has forgotten.
 *
 * False positives: a person with a new password. From a known device, at a known place, even many ask for nothing by themselves.
 */
export const failedAttempts: Signal = {
  code: 'FAILED_ATTEMPTS',
  weight: 15,
  unless: ['FAILED_ATTEMPTS_MANY'],
  look: ({ recentFailures: failures }) => (failures >= SOME ? { failures } : null),
};

/** So many that it is guessing. */
export const failedAttemptsMany: Signal = {
  code: 'FAILED_ATTEMPTS_MANY',
  weight: 30,
  look: ({ recentFailures: failures }) => (failures >= MANY ? { failures } : null),
};
