import { databaseFault } from '../db/pgErrors';
import type { Deps } from '../deps';
import { purgeAttempts } from '../security';

const EVERY_MS = 60 * 60_000;

/** Hourly housekeeping; where it fails, the next hour tries again. */
export function startMaintenance(
  deps: Pick<Deps, 'db' | 'clock' | 'logger' | 'metrics'>,
): () => void {
  async function run(): Promise<void> {
    try {
      await purgeAttempts(deps.db, deps.clock.now());
    } catch (error) {
      deps.metrics.backgroundFailures.inc({ task: 'purge_attempts' });
      const fault = databaseFault(error);
      deps.logger.warn({ err: error, fault }, 'old counters could not be purged');
    }
  }
  const timer = setInterval(() => void run(), EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}
