import { recordAudit } from '../audit';
import type { Principal, RequestContext } from '../context';
import { inTenant } from '../db/tenantScope';
import { AppError } from '../errors';
import { assertNotShutOut, openRuleSet } from './changeIpRules';
import type { ChangeRulesDeps } from './changeIpRules';
import { keepTrialRules, readRuleSet, replaceRules, updateRuleSet } from './ruleStore';
import type { StoredSet } from './ruleStore';

/** The fields of a set without a trial. */
const NO_TRIAL = { trialStartedAt: null, trialEndsAt: null, trialBy: null } as const;

/**
 * Keeps the rules that are tried out. The caller's address has to pass them, as that of every
 * request does while they are in force.
 * @returns the set after the change
 * @throws AppError CONFLICT if somebody has changed the rules since they were read;
 * NO_IP_RULE_TRIAL if no trial runs, or it is over; IP_RULES_LOCK_OUT
 */
export async function confirmTrial(
  deps: ChangeRulesDeps,
  ctx: RequestContext,
  principal: Principal,
  version: number,
): Promise<StoredSet> {
  const { tenantId } = principal;
  const after = await inTenant(deps.db, tenantId, async (tx) => {
    const { trial } = await openRuleSet(deps, tx, ctx, { tenantId, version });
    const now = deps.clock.now();
    if (!trial) throw new AppError('NO_IP_RULE_TRIAL');
    assertNotShutOut(ctx, principal, trial.rules, { now });
    await keepTrialRules(tx, tenantId);
    await updateRuleSet(tx, tenantId, { ...NO_TRIAL, updatedAt: now });
    await recordAudit(tx, ctx, {
      action: 'IP_RULES_TRIAL_CONFIRMED',
      outcome: 'success',
      subject: `tenant:${tenantId}`,
      details: { startedBy: trial.startedBy, rules: trial.rules.length },
    });
    return readRuleSet(tx, tenantId, now);
  });
  deps.ipRules.forget();
  return after;
}

/**
 * Takes a trial back before its end: the rules of before are in force again.
 * @returns the set after the change
 * @throws AppError NO_IP_RULE_TRIAL if no trial runs, or it is over; IP_RULES_LOCK_OUT
 */
export async function withdrawTrial(
  deps: ChangeRulesDeps,
  ctx: RequestContext,
  principal: Principal,
  confirmLockout: string | undefined,
): Promise<StoredSet> {
  const { tenantId } = principal;
  const after = await inTenant(deps.db, tenantId, async (tx) => {
    const { trial, rules } = await openRuleSet(deps, tx, ctx, { tenantId });
    const now = deps.clock.now();
    if (!trial) throw new AppError('NO_IP_RULE_TRIAL');
    const mark = assertNotShutOut(ctx, principal, rules, { now, confirmLockout });
    await replaceRules(tx, tenantId, { trial: true, rules: [] });
    await updateRuleSet(tx, tenantId, { ...NO_TRIAL, updatedAt: now });
    await recordAudit(tx, ctx, {
      action: 'IP_RULES_TRIAL_ENDED',
      outcome: 'success',
      subject: `tenant:${tenantId}`,
      details: {
        ...{ reason: 'withdrawn', startedBy: trial.startedBy, endedAt: now.toISOString() },
        ...mark,
      },
    });
    return readRuleSet(tx, tenantId, now);
  });
  deps.ipRules.forget();
  return after;
}
