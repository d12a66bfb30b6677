import type { Deps } from '../deps';
import type { RiskAssessment } from './assessRisk';
import { DEFAULT_POLICY } from './riskPolicy';
import type { RiskPolicy } from './riskPolicy';
import { readPolicyRowWithin } from './riskPolicyStore';

/**
 * The policy that holds for a login or refresh, also if its check was skipped. An attacker who makes checks fail must not
 * thereby switch off what the tenant demands: the policy is then read on the connections of the login itself. If that
 * fails too, the last policy that this node has read holds, else the default. It cannot fail, and waits no longer than a
 * check may.
 */
export async function findPolicyInForce(
  deps: Pick<Deps, 'db' | 'config' | 'riskPolicies' | 'logger'>,
  tenantId: string,
  risk: Pick<RiskAssessment, 'policy'>,
): Promise<RiskPolicy> {
  if (risk.policy) return risk.policy;
  const kept = deps.riskPolicies.peek(tenantId);
  if (kept?.fresh) return kept.value.policy;
  try {
    const { anomalyTimeoutMs } = deps.config;
    const row = await deps.db.transaction((tx) =>
      readPolicyRowWithin(tx, tenantId, anomalyTimeoutMs),
    );
    return row.policy;
  } catch (err) {
    deps.logger.warn({ err }, 'the policy of a tenant could not be read: the last one known holds');
    return kept?.value.policy ?? DEFAULT_POLICY;
  }
}
