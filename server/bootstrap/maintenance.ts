import { databaseFault } from '../db/pgErrors';
import type { Deps } from '../deps';
import { purgeAttempts, purgeDecisions } from '../security';

const EVERY_MS = 60 * 60_000;
const DAY_MS = 86_400_000;

type MaintenanceDeps = Pick<Deps, 'db' | 'clock' | 'config' | 'logger' | 'metrics'>;

/** In pieces, with room for others between them. */
async function purgeOldDecisions({ db, clock, config }: MaintenanceDeps): Promise<void> {
  const before = new Date(clock.now().getTime() - config.riskDecisionsKeepDays * DAY_MS);
  while ((await purgeDecisions(db, before)) > 0);
}

const TASKS: Readonly<Record<string, (deps: MaintenanceDeps) => Promise<unknown>>> = {
  purge_attempts: ({ db, clock }) => purgeAttempts(db, clock.now()),
  purge_risk_decisions: purgeOldDecisions,
};

/** What is due each hour; what fails is logged and metered, and holds up nothing else. */
export async function runMaintenance(deps: MaintenanceDeps): Promise<void> {
  for (const [task, run] of Object.entries(TASKS)) {
    try {
      await run(deps);
    } catch (error) {
      deps.metrics.backgroundFailures.inc({ task });
      const fault = databaseFault(error);
      deps.logger.warn({ err: error, fault, task }, 'housekeeping failed');
    }
  }
}

/** Hourly housekeeping; where it fails, the next hour tries again. */
export function startMaintenance(deps: MaintenanceDeps): () => void {
  const timer = setInterval(() => void runMaintenance(deps), EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}
