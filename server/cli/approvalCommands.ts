import {
  APPROVAL_STATUSES,
  changeTenantPolicy,
  listApprovals,
  readNeedsApproval,
  refuseRequest,
  showApproval,
} from '../tenants';
import { CommandError } from './commandError';
import { tenantIdOf } from './findStaff';
import type { Invocation } from './invocation';
import { asOperator, asWriter } from './operatorContext';
import { orNoSuch } from './orNoSuch';
import { oneOf, required } from './options';
import type { Options } from './options';

/** One command lists at most this many requests, newest first. */
const MOST = 200;

/** Lists the changes of a tenant that wait, or waited, for a second administrator. */
export function listApprovalsCommand(options: Options, invocation: Invocation): Promise<object> {
  const slug = required(options, 'tenant');
  const status = oneOf(options, 'status', APPROVAL_STATUSES);
  return asOperator(invocation, async (operator) => {
    const tenantId = await tenantIdOf(operator, slug);
    const { db } = operator.deps;
    const { approvals } = await listApprovals(db, tenantId, { status, limit: MOST });
    return { tenantId, needsApproval: await readNeedsApproval(db, tenantId), approvals };
  });
}

/** Refuses a change that waits for an approval. */
export function refuseApprovalCommand(options: Options, invocation: Invocation): Promise<object> {
  const slug = required(options, 'tenant');
  const id = required(options, 'approval');
  return asWriter(options, invocation, async (operator) => {
    const tenantId = await tenantIdOf(operator, slug);
    const { deps, ctx } = operator;
    const refused = refuseRequest(deps, ctx, { via: 'operator', tenantId }, id);
    return showApproval(await orNoSuch('approval', id, refused));
  });
}

/** Switches the approvals of a tenant on or off. */
export function approvalPolicyCommand(options: Options, invocation: Invocation): Promise<object> {
  const slug = required(options, 'tenant');
  const needed = required(options, 'needed');
  if (needed !== 'yes' && needed !== 'no') throw new CommandError('--needed must be yes or no.');
  return asWriter(options, invocation, async (operator) => {
    const tenantId = await tenantIdOf(operator, slug);
    const { deps, ctx } = operator;
    const wanted = { needsApproval: needed === 'yes' };
    const done = await changeTenantPolicy(deps, ctx, { via: 'operator', tenantId }, wanted);
    if (!done.changed) throw new CommandError(`Tenant '${slug}' already has this policy.`);
    return { tenantId, ...done.policy };
  });
}
