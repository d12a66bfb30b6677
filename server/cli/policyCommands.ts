import { resetRiskPolicy, showPolicyOf } from '../security';
import { CommandError } from './commandError';
import type { Invocation } from './invocation';
import { asOperator, asWriter } from './operatorContext';
import { required } from './options';
import type { Options } from './options';
import { tenantIdOf } from './findStaff';

/** Shows a tenant's risk policy, as `GET /api/security/policy` does. */
export function policyShowCommand(options: Options, invocation: Invocation): Promise<object> {
  const slug = required(options, 'tenant');
  return asOperator(invocation, async (operator) => {
    const tenantId = await tenantIdOf(operator, slug);
    return { tenantId, ...(await showPolicyOf(operator.deps, tenantId)) };
  });
}

/** Resets a tenant's risk policy to the defaults. */
export function policyResetCommand(options: Options, invocation: Invocation): Promise<object> {
  const slug = required(options, 'tenant');
  return asWriter(options, invocation, async (operator) => {
    const tenantId = await tenantIdOf(operator, slug);
    const shown = await resetRiskPolicy(operator.deps, operator.ctx, tenantId);
    if (!shown) throw new CommandError(`Tenant '${slug}' already uses the defaults.`);
    return { tenantId, ...shown };
  });
}
