import type { Clock } from '@/server/context';

let clock: Clock = { now: () => new Date() };

/**
 * Makes all later seeded data carry the time of this clock. A test whose application has a stopped
 * clock has only that one: a token of the real time would have expired for it, or would come from
 * its future.
 */
export function seedByClock(standing: Clock): void {
  clock = standing;
}

/**
 * The time that seeded tokens carry: that of the file's stopped clock if it has one, otherwise the
 * real time.
 */
export const seedClock: Clock = { now: () => clock.now() };
