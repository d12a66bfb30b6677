import type { Turns } from '../backgroundTurns';
import type { Pool } from 'pg';
import { runWithin } from '../db/runWithin';
import { SECOND_MS } from '../durations';
import type { Kernel } from '../kernel';
import { createLogOnce } from '../logOnce';
import { createRefusalRecorder } from './recordRefusals';
import type { RefusalRecorder } from './recordRefusals';
import { createRuleMemory } from './ruleMemory';
import type { RuleMemory } from './ruleMemory';
import { CHANGED } from './ruleMessage';
import { readRuleSets, readRulesVersion } from './ruleReadStore';
import { createTrialEnds } from './trialEnds';

/** The parts that this area adds. */
export interface IpRuleParts {
  ipRules: RuleMemory;
  ipRefusals: RefusalRecorder;
  /** Records the end of trials. */
  trialEnds: Turns;
}

/** The dependencies that functions of `ipRules/` may ask for. */
export type IpRuleDeps = Kernel & IpRuleParts;

/** Requests wait for the rules for at most this time, before they use those that were read last. */
const TIMEOUT_MS = SECOND_MS;

type OpenDeps = Pick<Kernel, 'clock' | 'db' | 'broadcast' | 'logger' | 'metrics'>;

/** Creates the memory of the rules, and tells other nodes what this one forgets. */
function openMemory(pool: Pool, { clock, broadcast, logger, metrics }: OpenDeps): RuleMemory {
  const logOnce = createLogOnce();
  const run = runWithin(pool, TIMEOUT_MS);
  const memory = createRuleMemory({
    readVersion: () => readRulesVersion(pool),
    readSets: (known) => readRuleSets(run, known),
    clock,
    onTurn(err) {
      if (err === undefined) {
        if (logOnce.recovered()) logger.info('the IP rules are read again');
        return;
      }
      metrics.backgroundFailures.inc({ task: 'read_ip_rules' });
      const code = 'IP_RULES_UNREADABLE';
      logOnce.failed('read', () => logger.error({ err, code }, 'the IP rules cannot be read'));
    },
  });
  broadcast.onMessage((message) => {
    if (message === null || message === CHANGED) memory.forget();
  });
  return {
    ...memory,
    forget() {
      memory.forget();
      broadcast.send(CHANGED);
    },
  };
}

/**
 * Creates the parts of this area.
 * @param pool a connection that requests do not use
 */
export function openIpRules(pool: Pool, deps: OpenDeps): IpRuleParts {
  const ipRules = openMemory(pool, deps);
  return {
    ipRules,
    ipRefusals: createRefusalRecorder(deps),
    trialEnds: createTrialEnds({ ...deps, ipRules }),
  };
}
