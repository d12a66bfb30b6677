import type { Clock } from '../../context';
import type { Broadcast } from '../../db/broadcast';
import type { ChangeWatch } from '../../db/changeWatch';
import type { RunStatement } from '../../db/runWithin';
import { MINUTE_MS } from '../../durations';
import { createRiskFactsCache } from './riskFacts';
import type { RiskFactsCache } from './riskFacts';
import { createRiskPolicies } from './policyCache';
import type { RiskPolicies } from './policyCache';

const POLICIES_KEPT_MS = MINUTE_MS;
/** Used while policy changes cannot be detected. */
const POLICIES_KEPT_BLIND_MS = 5000;
/**
 * A message from another node can be lost. Nothing that an attacker's session taught may be cached
 * longer than this on any node.
 */
const FACTS_KEPT_MS = 5000;

/**
 * Creates the in-memory caches of scoring for all nodes. If one node drops an entry, all drop it at
 * once if messages get through, and within five seconds otherwise. A node that may have missed a
 * message drops everything.
 */
export function createRiskCaches(deps: {
  run: RunStatement;
  /** Runs statements that are not part of a score. */
  runNow: RunStatement;
  clock: Clock;
  broadcast: Broadcast;
  changeWatch: ChangeWatch;
}): {
  riskFacts: RiskFactsCache;
  riskPolicies: RiskPolicies;
} {
  const { run, runNow, clock, broadcast, changeWatch } = deps;
  const facts = createRiskFactsCache(run, clock, () => FACTS_KEPT_MS);
  const policies = createRiskPolicies(run, runNow, clock, () =>
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
