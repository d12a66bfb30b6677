import type { Clock } from '../../context';

/** A circuit breaker: stops calls that keep failing, and tries again after a pause. */
export interface Breaker {
  /** @returns false while calls are paused; anyone admitted must report the outcome */
  admit(): boolean;
  succeeded(): void;
  failed(): void;
}

const FAILURES = 5;
const PAUSE_MS = 10_000;

/**
 * Creates a breaker that opens after five failures in a row, and then admits one call every ten
 * seconds until one succeeds. Without it, each login and refresh would wait out the whole deadline
 * for as long as the database is slow.
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
