import type { Clock } from './context';
import { MINUTE_MS } from './durations';

/** Each node records at most one event about the same within this time. */
const QUIET_MS = MINUTE_MS;
/**
 * The most entries kept. Beyond it the oldest is dropped, and its next refusal is recorded again.
 */
const MOST_REMEMBERED = 10_000;

/**
 * Creates a counter for events that somebody outside could cause by the thousand. It calls `write`
 * at most once a minute for the same `what`, with the number of calls in between.
 */
export function createQuietCounter({ clock }: { clock: Clock }) {
  const seen = new Map<string, { since: number; unrecorded: number }>();
  return async (what: string, write: (repeated: number) => Promise<void>): Promise<void> => {
    const now = clock.now().getTime();
    const entry = seen.get(what) ?? { since: -Infinity, unrecorded: 0 };
    if (now - entry.since < QUIET_MS) {
      entry.unrecorded += 1;
      return;
    }
    const repeated = entry.unrecorded;
    entry.since = now;
    entry.unrecorded = 0;
    seen.delete(what);
    const [oldest] = seen.keys();
    if (seen.size >= MOST_REMEMBERED && oldest !== undefined) seen.delete(oldest);
    seen.set(what, entry);
    try {
      await write(repeated);
    } catch (error) {
      // Add to the count: other refusals may have been counted during the insert.
      entry.unrecorded += repeated + 1;
      entry.since = -Infinity;
      throw error;
    }
  };
}
