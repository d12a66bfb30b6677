import type { SecurityDeps } from '../deps';
import type { RiskAssessment } from './assessRisk';
import { DEFAULT_POLICY } from './riskPolicy';
import type { RiskPolicy } from './riskPolicy';
import { readPolicyRowWithin } from './riskPolicyStore';
import { inTenant } from '../../db/tenantScope';

/**
 * Returns the policy that applies to a login or refresh, also if its check was skipped: an attacker
 * who makes checks fail must not switch off what the tenant demands. In that case the policy is
 * read on the database connections of the login itself. If that fails too, the last policy that
 * this node has read applies, otherwise the default. It never throws, and waits no longer than a
 * check may.
 */
export async function findPolicyInForce(
  deps: Pick<SecurityDeps, 'db' | 'config' | 'riskPolicies' | 'logger'>,
  tenantId: string,
  risk: Pick<RiskAssessment, 'policy'>,
): Promise<RiskPolicy> {
  if (risk.policy) return risk.policy;
  const kept = deps.riskPolicies.peek(tenantId);
  if (kept?.fresh) return kept.value.policy;
  try {
    const { anomalyTimeoutMs } = deps.config;
    const row = await inTenant(deps.db, tenantId, (tx) =>
      readPolicyRowWithin(tx, tenantId, anomalyTimeoutMs),
    );
    return row.policy;
  } catch (err) {
    deps.logger.warn(
      { err },
      'the policy of a tenant could not be read: the last known one stays in force',
    );
    return kept?.value.policy ?? DEFAULT_POLICY;
  }
}
