import { recordAudits } from '../audit';
import type { AuditEvent } from '../audit';
import { clientIp } from '../context';
import type { Principal, RequestContext } from '../context';
import type { Tx } from '../db';
import { inTenant } from '../db/tenantScope';
import { MINUTE_MS } from '../durations';
import { AppError } from '../errors';
import { assertFewChanges } from './assertFewChanges';
import type { IpRuleDeps } from './deps';
import { endTrialIfOver } from './endTrialIfOver';
import { MOST_RULES, findRuleIssues, planRules } from './planRules';
import type { RuleInput, RulePlan } from './planRules';
import { compileRules } from './ruleSet';
import type { IpRule } from './ruleSet';
import {
  lockRuleSet,
  readRuleSet,
  replaceRules,
  updateRuleSet,
  writeRuleChanges,
} from './ruleStore';
import type { StoredRule, StoredSet } from './ruleStore';

export type ChangeRulesDeps = Pick<IpRuleDeps, 'db' | 'clock' | 'random' | 'metrics' | 'ipRules'>;

/** How a change is to be made. */
export interface ChangeOptions {
  /** The version that the caller has seen; a change of one rule may leave it out. */
  version?: number | undefined;
  /** The slug of the tenant, if the caller accepts to be shut out. */
  confirmLockout?: string | undefined;
  /** Tries the rules out for this time, in minutes, instead of keeping them. */
  trialMinutes?: number | undefined;
}

/** A change of the rules of a tenant. */
export interface RuleChange extends ChangeOptions {
  /** Returns the rules that are wanted, from those that there are. */
  toWanted: (rules: readonly StoredRule[]) => readonly (RuleInput & { id?: string })[];
  /** The path of a rule in the body, for the description of what is wrong with it. */
  pathOf: (at: number) => string;
}

const conflict = ({ version }: StoredSet) =>
  new AppError('CONFLICT', {
    detail: `The rules are now at version ${version}. Read them again before you change them.`,
  });

/** The mark of an event whose author was shut out by the change, and had confirmed that. */
export type LockoutMark = { confirmedLockout: true } | Record<never, never>;

/**
 * Refuses rules that would shut out the caller, unless the caller names the tenant.
 * @returns the mark for the events of the change: empty if the caller is not shut out
 * @throws AppError IP_RULES_LOCK_OUT
 */
export function assertNotShutOut(
  ctx: RequestContext,
  { tenant }: Principal,
  rules: readonly IpRule[],
  { now, confirmLockout }: { now: Date; confirmLockout?: string | undefined },
): LockoutMark {
  const address = clientIp(ctx);
  const refusal = compileRules(rules)('people', address, now.getTime());
  if (!refusal) return {};
  if (confirmLockout === tenant.slug) return { confirmedLockout: true };
  throw new AppError('IP_RULES_LOCK_OUT', { extra: { address, rule: refusal.rule } });
}

/** Returns the properties of a rule that its events show. */
const describe = ({ action, appliesTo, range, note, expiresAt }: IpRule) => ({
  ...{ action, appliesTo, range, note },
  expiresAt: expiresAt?.toISOString() ?? null,
});

/** Builds an event for each rule that a change creates, changes or deletes. */
function toEvents(plan: RulePlan, trialEndsAt: Date | undefined, mark: LockoutMark): AuditEvent[] {
  const more = { ...mark, ...(trialEndsAt && { trialEndsAt: trialEndsAt.toISOString() }) };
  const about = ({ id }: IpRule) =>
    ({ outcome: 'success', subject: `ip-rule:${id}` }) satisfies Partial<AuditEvent>;
  return [
    ...plan.created.map((rule) => ({
      ...about(rule),
      action: 'IP_RULE_CREATED' as const,
      details: { after: describe(rule), ...more },
    })),
    ...plan.updated.map(({ before, after }) => ({
      ...about(after),
      action: 'IP_RULE_UPDATED' as const,
      details: { before: describe(before), after: describe(after), ...more },
    })),
    ...plan.deleted.map((rule) => ({
      ...about(rule),
      action: 'IP_RULE_DELETED' as const,
      details: { before: describe(rule), ...more },
    })),
  ];
}

/** @throws AppError TOO_MANY_IP_RULES; INVALID_INPUT with the fields */
function assertSound(
  { rules, created, updated }: RulePlan,
  now: Date,
  pathOf: RuleChange['pathOf'],
): void {
  if (rules.length > MOST_RULES) {
    const detail = `A tenant has at most ${MOST_RULES} rules, those for people and for API keys together.`;
    throw new AppError('TOO_MANY_IP_RULES', { detail });
  }
  const written = new Set([...created, ...updated.map(({ after }) => after)]);
  const stays = rules.map((rule) => !written.has(rule));
  const issues = findRuleIssues(rules, now, (at) => stays[at] === true).map(
    ({ at, field, message }) => ({
      path: `${pathOf(at)}${field}`,
      message,
    }),
  );
  if (issues.length > 0) throw new AppError('INVALID_INPUT', { extra: { issues } });
}

/** Stores the rules, and the trial in which they are in force if there is one. */
async function write(
  tx: Tx,
  principal: Principal,
  plan: RulePlan,
  { now, trialEndsAt }: { now: Date; trialEndsAt: Date | undefined },
): Promise<void> {
  const { tenantId, staffId } = principal;
  if (!trialEndsAt) {
    const written = [...plan.created, ...plan.updated.map(({ after }) => after)];
    const gone = plan.deleted.map(({ id }) => id);
    await writeRuleChanges(tx, tenantId, { gone, written });
    await updateRuleSet(tx, tenantId, { updatedAt: now });
    return;
  }
  await replaceRules(tx, tenantId, { trial: true, rules: plan.rules });
  const trial = { trialStartedAt: now, trialEndsAt, trialBy: staffId };
  await updateRuleSet(tx, tenantId, { ...trial, updatedAt: now });
}

/** Returns how many rules a change creates, changes and deletes. Each of them is an event. */
const sizeOf = ({ created, updated, deleted }: RulePlan): number =>
  created.length + updated.length + deleted.length;

/** Locks the set, and checks that it may be changed. */
export async function openRuleSet(
  deps: Pick<IpRuleDeps, 'clock'>,
  tx: Tx,
  ctx: RequestContext,
  { tenantId, version }: { tenantId: string; version?: number | undefined },
): Promise<StoredSet> {
  await lockRuleSet(tx, tenantId);
  await endTrialIfOver(deps, tx, ctx, tenantId);
  // The time after the lock: a trial may have ended during the wait for it.
  const before = await readRuleSet(tx, tenantId, deps.clock.now());
  if (version !== undefined && version !== before.version) throw conflict(before);
  return before;
}

/**
 * Changes the rules of the caller's tenant, or tries other rules out. Changes of one tenant happen
 * one after the other. A change that changes nothing records nothing.
 * @returns the set after the change
 * @throws AppError CONFLICT if somebody has changed the rules since they were read;
 * IP_RULE_TRIAL_RUNS; IP_RULES_LOCK_OUT; TOO_MANY_IP_RULES; INVALID_INPUT; NOT_FOUND;
 * RATE_LIMITED
 */
export async function changeIpRules(
  deps: ChangeRulesDeps,
  ctx: RequestContext,
  principal: Principal,
  change: RuleChange,
): Promise<StoredSet> {
  const { tenantId, staffId } = principal;
  const after = await inTenant(deps.db, tenantId, async (tx) => {
    const before = await openRuleSet(deps, tx, ctx, { tenantId, version: change.version });
    if (before.trial) throw new AppError('IP_RULE_TRIAL_RUNS');
    const now = deps.clock.now();
    const make = (rule: RuleInput): StoredRule => ({
      ...rule,
      id: deps.random.id(),
      createdAt: now,
      createdBy: staffId,
    });
    const plan = planRules(before.rules, change.toWanted(before.rules), make);
    assertSound(plan, now, change.pathOf);
    if (sizeOf(plan) === 0) return before;
    const { trialMinutes, confirmLockout } = change;
    const mark = assertNotShutOut(ctx, principal, plan.rules, { now, confirmLockout });
    await assertFewChanges(deps, tx, tenantId, sizeOf(plan));
    const trialEndsAt =
      trialMinutes === undefined ? undefined : new Date(now.getTime() + trialMinutes * MINUTE_MS);
    // The events go first: writing the rules locks the version of all sets until the end.
    if (trialEndsAt)
      await recordTrial(tx, ctx, { tenantId, trialEndsAt, rules: plan.rules.length, mark });
    await recordAudits(tx, ctx, toEvents(plan, trialEndsAt, mark));
    await write(tx, principal, plan, { now, trialEndsAt });
    return readRuleSet(tx, tenantId, now);
  });
  deps.ipRules.forget();
  return after;
}

const recordTrial = (
  tx: Tx,
  ctx: RequestContext,
  {
    tenantId,
    trialEndsAt,
    rules,
    mark,
  }: { tenantId: string; trialEndsAt: Date; rules: number; mark: LockoutMark },
) =>
  recordAudits(tx, ctx, [
    {
      action: 'IP_RULES_TRIAL_STARTED',
      outcome: 'success',
      subject: `tenant:${tenantId}`,
      details: { endsAt: trialEndsAt.toISOString(), rules, ...mark },
    },
  ]);

/** Returns the rules of the caller's tenant. */
export const showIpRules = (
  { db, clock }: Pick<IpRuleDeps, 'db' | 'clock'>,
  tenantId: string,
): Promise<StoredSet> => readRuleSet(db, tenantId, clock.now());
