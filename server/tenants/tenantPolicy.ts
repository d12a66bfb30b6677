import { z } from 'zod';
import type { Json } from '../../tlog/canonicalJson';
import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import type { TenantDeps } from './deps';
import { AppError } from '../errors';
import { administer } from './administer';
import type { Authority } from './administer';
import type { Administration } from './administration';
import { updateNeedsApproval } from './administrationStore';
import type { ApprovalRequest } from './approvalStore';
import { requestApproval } from './requestApproval';
import type { PreparedChange } from './requestApproval';

/** The rules by which a tenant's members administer it. */
export const tenantPolicyInput = z.strictObject({
  needsApproval: z.boolean().meta({
    description: 'Giving a privileged permission needs the approval of a second administrator',
  }),
});

export type TenantPolicy = z.output<typeof tenantPolicyInput>;

/** Works out a change of a tenant's policy. */
export function preparePolicy(
  tx: Tx,
  { tenantId, needsApproval }: Administration,
  wanted: Json,
): Promise<PreparedChange> {
  const before = { needsApproval };
  const after = tenantPolicyInput.parse(wanted);
  return Promise.resolve({
    effect: { before, after },
    about: `tenant:${tenantId}`,
    given: [],
    members: [],
    async write(ctx, provenance) {
      await updateNeedsApproval(tx, tenantId, after.needsApproval);
      await recordAudit(tx, ctx, {
        action: 'TENANT_POLICY_CHANGED',
        outcome: 'success',
        tenantId,
        subject: `tenant:${tenantId}`,
        details: { before, after, ...provenance },
      });
    },
  });
}

/** The outcome of a change of the policy. */
export interface PolicyChange {
  /** The policy in force. */
  policy: TenantPolicy;
  changed: boolean;
  /** The request, if the change waits for an approval. */
  approval?: ApprovalRequest;
}

/**
 * Changes a tenant's policy. To switch approvals on, the tenant needs two administrators. To switch
 * them off, a member needs an approval.
 * @throws AppError TOO_FEW_ADMINISTRATORS; NO_APPROVER; what `administer` throws
 */
export async function changeTenantPolicy(
  deps: TenantDeps,
  ctx: RequestContext,
  authority: Authority,
  policy: TenantPolicy,
): Promise<PolicyChange> {
  return administer(deps, ctx, authority, 'TENANT_ROLES_MANAGE', async (tx, administration) => {
    const { needsApproval, administrators, actor } = administration;
    if (policy.needsApproval === needsApproval) return { policy, changed: false };
    if (policy.needsApproval && administrators < 2) throw new AppError('TOO_FEW_ADMINISTRATORS');
    const prepared = await preparePolicy(tx, administration, policy);
    if (!policy.needsApproval && actor.kind === 'member') {
      const request = { kind: 'policy' as const, wanted: policy, prepared };
      const approval = await requestApproval(deps, tx, ctx, administration, request);
      return { policy: { needsApproval }, changed: false, approval };
    }
    await prepared.write(ctx, { via: authority.via });
    return { policy, changed: true };
  });
}
