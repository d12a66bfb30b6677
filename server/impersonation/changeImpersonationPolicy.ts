import { recordAudit } from '../audit';
import type { Principal, RequestContext } from '../context';
import { inTenant } from '../db/tenantScope';
import { MINUTE_MS } from '../durations';
import { AppError } from '../errors';
import { lockTenant } from '../tenants';
import type { ImpersonationDeps } from './deps';
import { endImpersonation } from './endImpersonation';
import { readImpersonationPolicy, writeImpersonationPolicy } from './impersonationPolicyStore';
import type { ImpersonationPolicy, StoredPolicy } from './impersonationPolicyStore';
import { listRunningIn } from './runningStore';
import type { Impersonated } from './runningStore';

/** Returns whether a policy does not allow an impersonation of this scope. */
export const forbids = ({ mode }: ImpersonationPolicy, scope: Impersonated['scope']): boolean =>
  mode === 'off' || (scope === 'full' && mode !== 'full');

/** Returns whether a policy would have refused the start of one that runs, with the terms that it has. */
const wouldRefuse = (policy: ImpersonationPolicy, row: Impersonated): boolean =>
  forbids(policy, row.scope) ||
  (policy.consent === 'required' && row.consent !== 'required') ||
  (policy.ticketRequired && row.ticket === null) ||
  row.expiresAt.getTime() - row.startedAt.getTime() > policy.maxMinutes * MINUTE_MS;

const conflict = ({ version }: StoredPolicy) =>
  new AppError('CONFLICT', {
    detail: `The policy is now at version ${version}. Read it again before you change it.`,
  });

/**
 * Replaces the policy that the caller has seen, records both, and ends the impersonations that the
 * new one no longer allows. It holds the tenant, and a start does too, so that no start passes by the
 * old policy and is missed here.
 * @throws AppError CONFLICT if somebody else has changed it since
 */
export async function changeImpersonationPolicy(
  deps: ImpersonationDeps,
  ctx: RequestContext,
  { tenantId, staffId }: Principal,
  change: { version: number; policy: ImpersonationPolicy },
): Promise<StoredPolicy> {
  const written = await inTenant(deps.db, tenantId, async (tx) => {
    await lockTenant(tx, tenantId);
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
    for (const row of await listRunningIn(tx, tenantId)) {
      if (!wouldRefuse(policy, row)) continue;
      const how = { end: 'policy_changed' as const, by: ctx.actor };
      await endImpersonation(deps, tx, ctx, row, how);
    }
    return after;
  });
  deps.mail.wake();
  return written;
}
