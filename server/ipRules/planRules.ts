import type { StoredRule } from './ruleStore';
import type { IpRule } from './ruleSet';

/** A rule as an administrator sends it; its range is canonical. */
export type RuleInput = Omit<IpRule, 'id'>;

/** The most rules of a tenant. */
export const MOST_RULES = 1000;

/** A fault of one rule of a list. */
export interface RuleIssue {
  at: number;
  field: keyof RuleInput;
  message: string;
}

/** The effect of a change on the rules of a tenant. */
export interface RulePlan {
  created: StoredRule[];
  updated: { before: StoredRule; after: StoredRule }[];
  deleted: StoredRule[];
  /** All rules after the change. */
  rules: StoredRule[];
}

const nameOf = ({ action, appliesTo, range }: RuleInput) => `${appliesTo} ${action} ${range}`;

const isSame = (one: RuleInput, other: RuleInput) =>
  nameOf(one) === nameOf(other) &&
  one.note === other.note &&
  one.expiresAt?.getTime() === other.expiresAt?.getTime();

/**
 * Compares the rules of a tenant with those that are wanted.
 * @param wanted with an id for a rule that stays or changes; without one for a new rule
 * @param make gives a new rule its id and author
 */
export function planRules(
  before: readonly StoredRule[],
  wanted: readonly (RuleInput & { id?: string })[],
  make: (rule: RuleInput) => StoredRule,
): RulePlan {
  const byId = new Map(before.map((rule) => [rule.id, rule]));
  const plan: RulePlan = { created: [], updated: [], deleted: [], rules: [] };
  for (const { id, ...rule } of wanted) {
    const old = id === undefined ? undefined : byId.get(id);
    const after = old ? { ...old, ...rule } : make(rule);
    if (!old) plan.created.push(after);
    else if (!isSame(old, after)) plan.updated.push({ before: old, after });
    plan.rules.push(after);
  }
  const kept = new Set(plan.rules.map(({ id }) => id));
  plan.deleted = before.filter(({ id }) => !kept.has(id));
  return plan;
}

/** Gives each wanted rule the id of the rule with the same range, so that its note can change. */
export function matchRules(
  before: readonly StoredRule[],
  wanted: readonly RuleInput[],
): (RuleInput & { id?: string })[] {
  const byName = new Map(before.map((rule) => [nameOf(rule), rule.id]));
  return wanted.map((rule) => {
    const id = byName.get(nameOf(rule));
    return id === undefined ? rule : { ...rule, id };
  });
}

/**
 * Finds what is wrong with a list of rules: two with the same range, an expiry in the past, or allow
 * rules that all expire. Once the last one has expired, nobody could act at all.
 * @param stays tells which rules are stored already and do not change. They may have expired:
 * otherwise one expired rule would refuse every change of another one
 */
export function findRuleIssues(
  rules: readonly RuleInput[],
  now: Date,
  stays: (at: number) => boolean = () => false,
): RuleIssue[] {
  const issues: RuleIssue[] = [];
  const seen = new Set<string>();
  const open = new Set<string>();
  for (const rule of rules) {
    if (rule.action === 'allow' && rule.expiresAt === null) open.add(rule.appliesTo);
  }
  rules.forEach((rule, at) => {
    const { action, appliesTo, expiresAt } = rule;
    if (seen.has(nameOf(rule))) {
      issues.push({ at, field: 'range', message: 'is in another rule of this kind already' });
    }
    seen.add(nameOf(rule));
    if (expiresAt && expiresAt <= now && !stays(at)) {
      issues.push({ at, field: 'expiresAt', message: 'must be in the future' });
    } else if (action === 'allow' && expiresAt && !open.has(appliesTo)) {
      const message =
        'must be null for at least one allow rule: after the last one no address would be allowed';
      issues.push({ at, field: 'expiresAt', message });
    }
  });
  return issues;
}
