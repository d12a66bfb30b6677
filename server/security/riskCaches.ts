import type { Clock } from '../context';
import type { Broadcast } from '../db/broadcast';
import type { ChangeWatch } from '../db/changeWatch';
import type { RunStatement } from '../db/runWithin';
import { createRiskFactsCache } from './riskFacts';
import type { RiskFactsCache } from './riskFacts';
import { createRiskPolicies } from './riskPolicies';
import type { RiskPolicies } from './riskPolicies';

const POLICIES_KEPT_MS = 60_000;
/** If it cannot be seen that a policy has changed. */
const POLICIES_KEPT_BLIND_MS = 5000;
/** A word of another node can be lost with that node: what a thief's session taught is not kept for longer anywhere. */
const FACTS_KEPT_MS = 5000;

/**
 * What scoring keeps in memory, on all nodes as on one: what one forgets, all forget at once if they hear each other, and
 * within five seconds if they do not. A node that may have missed a word forgets everything.
 */
export function createRiskCaches(deps: {
  run: RunStatement;
  clock: Clock;
  broadcast: Broadcast;
  changeWatch: ChangeWatch;
}): {
  riskFacts: RiskFactsCache;
  riskPolicies: RiskPolicies;
} {
  const { run, clock, broadcast, changeWatch } = deps;
  const facts = createRiskFactsCache(run, clock, () => FACTS_KEPT_MS);
  const policies = createRiskPolicies(run, clock, () =>
    changeWatch.isCurrent() ? POLICIES_KEPT_MS : POLICIES_KEPT_BLIND_MS,
  );
  changeWatch.onChange('policy', () => policies.forgetAll());

  broadcast.onMessage((message) => {
    if (message === null) {
      facts.forgetAll();
      policies.forgetAll();
      return;
    }
    const [what, tenantId = '', staffId = ''] = message.split('/');
    if (what === 'staff') facts.forget(tenantId, staffId);
    if (what === 'policy') policies.forget(tenantId);
  });

  return {
    riskFacts: {
      ...facts,
      forget(tenantId, staffId) {
        facts.forget(tenantId, staffId);
        broadcast.send(`staff/${tenantId}/${staffId}`);
      },
    },
    riskPolicies: {
      ...policies,
      forget(tenantId) {
        policies.forget(tenantId);
        broadcast.send(`policy/${tenantId}`);
      },
    },
  };
}
