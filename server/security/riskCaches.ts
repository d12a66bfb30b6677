import type { Clock } from '../context';
import type { Broadcast } from '../db/broadcast';
import type { RunStatement } from '../db/runWithin';
import { createRiskFactsCache } from './riskFacts';
import type { RiskFactsCache } from './riskFacts';
import { createRiskPolicies } from './riskPolicies';
import type { RiskPolicies } from './riskPolicies';

const KEPT_MS = 60_000;
/** Where the nodes cannot tell each other what to forget. */
const KEPT_WHILE_DEAF_MS = 5000;

/**
 * What scoring keeps in memory, on all nodes as on one: what one forgets, all forget. A node that may have missed a
 * word forgets everything, and while it hears nothing it keeps nothing for long.
 */
export function createRiskCaches(deps: { run: RunStatement; clock: Clock; broadcast: Broadcast }): {
  riskFacts: RiskFactsCache;
  riskPolicies: RiskPolicies;
} {
  const { run, clock, broadcast } = deps;
  const keptMs = () => (broadcast.isDeaf() ? KEPT_WHILE_DEAF_MS : KEPT_MS);
  const facts = createRiskFactsCache(run, clock, keptMs);
  const policies = createRiskPolicies(run, clock, keptMs);

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
