import type { Kernel } from '../kernel';
import { SECOND_MS } from '../durations';
import { createChangeReader } from './changeReader';
import type { ChangeReader } from './changeReader';
import { readChanges } from './changeStore';

/** A change waits at most this long before it is read, and the read itself takes a few milliseconds. */
const EVERY_MS = 25;
const AFTER_FAILURE_MS = 250;

/**
 * Builds the reader of this node.
 * @param pool connections of its own, so that requests that wait for one do not delay the changes
 */
export function openChangeReader({
  pool,
  logger,
  metrics,
}: Pick<Kernel, 'pool' | 'logger' | 'metrics'>): ChangeReader {
  let failing = false;
  return createChangeReader({
    read: (asked) => readChanges(pool, asked),
    everyMs: EVERY_MS,
    afterFailureMs: AFTER_FAILURE_MS,
    onTurn(reading, changes) {
      metrics.accessChangesVouched.set(reading?.sound ? 1 : 0);
      for (const { ageMs } of changes) metrics.accessChangeDelivery.observe(ageMs / SECOND_MS);
      if (reading && failing) logger.info('access changes are read again');
      if (reading) failing = false;
    },
    onFailure(err) {
      metrics.backgroundFailures.inc({ task: 'read_access_changes' });
      if (!failing)
        logger.warn({ err }, 'access changes cannot be read: guards ask at each request');
      failing = true;
    },
  });
}
