import type { Signal } from './signal';

const ACCOUNTS = 5;

/**
 * Logins from this address have failed on many accounts in the last 15 minutes: one password tried
 * on all of them.
 * False positives: an office behind one address, on the morning after everybody had to choose a new
 * password. Its people use known devices, and this signal alone does not ask for a proof.
 */
export const spray: Signal = {
  code: 'SPRAY',
  weight: 30,
  look: ({ accountsTried: accounts }) => (accounts >= ACCOUNTS ? { accounts } : null),
};
