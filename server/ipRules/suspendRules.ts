import { recordAudit } from '../audit';
import type { Principal, RequestContext } from '../context';
import { notifyNodes } from '../db/broadcast';
import { inTenant } from '../db/tenantScope';
import { AppError } from '../errors';
import type { IpRuleDeps } from './deps';
import { CHANGED } from './ruleMessage';
import { assertNotShutOut, openRuleSet } from './changeIpRules';
import { readRuleSet, updateRuleSet } from './ruleStore';
import type { StoredSet } from './ruleStore';

type SuspendDeps = Pick<IpRuleDeps, 'db' | 'clock' | 'random' | 'ipRules'>;

/**
 * Suspends all rules of a tenant, or puts them in force again, for an operator: it helps a tenant
 * that has shut itself out. Running nodes see it within a second.
 * @returns undefined if that is so already; nothing is changed or recorded then
 */
export async function setSuspension(
  deps: SuspendDeps,
  ctx: RequestContext,
  tenantId: string,
  suspended: boolean,
): Promise<StoredSet | undefined> {
  const after = await inTenant(deps.db, tenantId, async (tx) => {
    const before = await openRuleSet(deps, tx, ctx, { tenantId });
    if ((before.suspendedAt !== null) === suspended) return undefined;
    const now = deps.clock.now();
    await updateRuleSet(tx, tenantId, { suspendedAt: suspended ? now : null, updatedAt: now });
    await recordAudit(tx, ctx, {
      action: suspended ? 'IP_RULES_SUSPENDED' : 'IP_RULES_RESUMED',
      outcome: 'success',
      tenantId,
      subject: `tenant:${tenantId}`,
      details: { via: 'operator' },
    });
    return readRuleSet(tx, tenantId, now);
  });
  if (!after) return undefined;
  deps.ipRules.forget();
  await notifyNodes(deps, [CHANGED]);
  return after;
}

/**
 * Puts suspended rules in force again, for an administrator.
 * @returns the set after the change
 * @throws AppError IP_RULES_NOT_SUSPENDED; IP_RULES_LOCK_OUT if they shut the caller out
 */
export async function resumeRules(
  deps: SuspendDeps,
  ctx: RequestContext,
  principal: Principal,
  confirmLockout: string | undefined,
): Promise<StoredSet> {
  const { tenantId } = principal;
  const after = await inTenant(deps.db, tenantId, async (tx) => {
    const before = await openRuleSet(deps, tx, ctx, { tenantId });
    if (before.suspendedAt === null) throw new AppError('IP_RULES_NOT_SUSPENDED');
    const now = deps.clock.now();
    const rules = before.trial?.rules ?? before.rules;
    const mark = assertNotShutOut(ctx, principal, rules, { now, confirmLockout });
    await updateRuleSet(tx, tenantId, { suspendedAt: null, updatedAt: now });
    await recordAudit(tx, ctx, {
      action: 'IP_RULES_RESUMED',
      outcome: 'success',
      subject: `tenant:${tenantId}`,
      details: { via: 'api', ...mark },
    });
    return readRuleSet(tx, tenantId, now);
  });
  deps.ipRules.forget();
  return after;
}
