import type { Attempt, History } from '@/server/security/risk/signals';

/** A login without anything unusual, of a person without a history. */
export const ATTEMPT: Attempt = {
  at: 'login',
  now: new Date('2026-03-04T12:00:00Z'),
  country: null,
  network: null,
  deviceHashes: ['laptop'],
  recentFailures: 0,
  accountsTried: 0,
  lists: [],
  session: null,
};

export const HISTORY: History = {
  deviceHashes: new Set(),
  countries: new Map(),
  networks: new Map(),
  hours: [],
  lastLoginAt: null,
  sessions: [],
};
