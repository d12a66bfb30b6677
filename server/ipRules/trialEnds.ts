import { createTurns } from '../backgroundTurns';
import type { Turns } from '../backgroundTurns';
import { systemContext } from '../context';
import { inTenant } from '../db/tenantScope';
import { SECOND_MS } from '../durations';
import type { Kernel } from '../kernel';
import { endTrialIfOver } from './endTrialIfOver';
import type { RuleMemory } from './ruleMemory';
import { listEndedTrials } from './trialStore';

const EVERY_MS = 2 * SECOND_MS;

/**
 * Creates the turns that record the end of trials. A trial ends by its time, so this only tidies up:
 * any node does it, also for a trial that was started on a node that is gone.
 */
export const createTrialEnds = ({
  db,
  clock,
  metrics,
  logger,
  ipRules,
}: Pick<Kernel, 'db' | 'clock' | 'metrics' | 'logger'> & { ipRules: RuleMemory }): Turns =>
  createTurns(
    {
      task: 'end_ip_rule_trials',
      everyMs: EVERY_MS,
      metrics,
      logFailure: ({ err }) => logger.warn({ err }, 'trials of IP rules could not be ended'),
    },
    async () => {
      const ended = await listEndedTrials(db, clock.now());
      for (const tenantId of ended) {
        await inTenant(db, tenantId, (tx) =>
          endTrialIfOver({ clock }, tx, systemContext('end-ip-rule-trials'), tenantId),
        );
      }
      if (ended.length > 0) ipRules.forget();
    },
  );
