import type { Clock } from '../context';

/** Stops asking what has failed again and again, and tries it again after a pause. */
export interface Breaker {
  /** @returns false while it would be no use; who is admitted says how it went */
  admit(): boolean;
  succeeded(): void;
  failed(): void;
}

const FAILURES = 5;
const PAUSE_MS = 10_000;

/**
 * Opens after five failures in a row; then lets one through every ten seconds, until one succeeds. Without it each
 * login and refresh would wait out the whole deadline for as long as a database is slow.
 */
export function createBreaker(clock: Clock): Breaker {
  let failures = 0;
  let nextTryAt = 0;
  return {
    admit() {
      if (failures < FAILURES) return true;
      const now = clock.now().getTime();
      if (now < nextTryAt) return false;
      nextTryAt = now + PAUSE_MS;
      return true;
    },
    succeeded() {
      failures = 0;
    },
    failed() {
      failures += 1;
      nextTryAt = clock.now().getTime() + PAUSE_MS;
    },
  };
}
