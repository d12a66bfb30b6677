import type { Signal } from './signal';

const SOME = 3;
const MANY = 8;

/**
 * Logins of the account have failed in the last 15 minutes: somebody is guessing, or has forgotten
 * the password.
 * False positives: a person with a new password. From a known device in a known place even many
 * failures do not ask for a proof alone.
 */
export const failedAttempts: Signal = {
  code: 'FAILED_ATTEMPTS',
  weight: 15,
  unless: ['FAILED_ATTEMPTS_MANY'],
  look: ({ recentFailures: failures }) => (failures >= SOME ? { failures } : null),
};

/** So many failures mean guessing. */
export const failedAttemptsMany: Signal = {
  code: 'FAILED_ATTEMPTS_MANY',
  weight: 30,
  look: ({ recentFailures: failures }) => (failures >= MANY ? { failures } : null),
};
