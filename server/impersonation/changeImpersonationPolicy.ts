import { recordAudit } from '../audit';
import type { Principal, RequestContext } from '../context';
import { inTenant } from '../db/tenantScope';
import { AppError } from '../errors';
import type { ImpersonationDeps } from './deps';
import { endImpersonation } from './endImpersonation';
import { readImpersonationPolicy, writeImpersonationPolicy } from './impersonationPolicyStore';
import type { ImpersonationPolicy, StoredPolicy } from './impersonationPolicyStore';
import { listRunningIn } from './runningStore';
import type { Impersonated } from './runningStore';

/** Returns whether a policy no longer allows an impersonation of this scope. */
export const forbids = ({ mode }: ImpersonationPolicy, scope: Impersonated['scope']): boolean =>
  mode === 'off' || (scope === 'full' && mode !== 'full');

const conflict = ({ version }: StoredPolicy) =>
  new AppError('CONFLICT', {
    detail: `The policy is now at version ${version}. Read it again before you change it.`,
  });

/**
 * Replaces the policy that the caller has seen, records both, and ends the impersonations that the
 * new one no longer allows.
 * @throws AppError CONFLICT if somebody else has changed it since
 */
export async function changeImpersonationPolicy(
  deps: ImpersonationDeps,
  ctx: RequestContext,
  { tenantId, staffId }: Principal,
  change: { version: number; policy: ImpersonationPolicy },
): Promise<StoredPolicy> {
  const written = await inTenant(deps.db, tenantId, async (tx) => {
    const before = await readImpersonationPolicy(tx, tenantId);
    if (before.version !== change.version) throw conflict(before);
    const { policy } = change;
    const now = deps.clock.now();
    const after = await writeImpersonationPolicy(tx, tenantId, {
      ...{ from: before.version, policy, staffId, now },
    });
    if (!after) throw conflict(await readImpersonationPolicy(tx, tenantId));
    await recordAudit(tx, ctx, {
      action: 'IMPERSONATION_POLICY_CHANGED',
      outcome: 'success',
      subject: `tenant:${tenantId}`,
      details: { version: after.version, before: before.policy, after: policy },
    });
    for (const { id, scope } of await listRunningIn(tx, tenantId)) {
      if (!forbids(policy, scope)) continue;
      const how = { end: 'policy_changed' as const, by: ctx.actor };
      await endImpersonation(deps, tx, ctx, { tenantId, id }, how);
    }
    return after;
  });
  deps.mail.wake();
  return written;
}
