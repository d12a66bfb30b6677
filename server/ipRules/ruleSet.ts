import { addressBytes, holdsAddress, readRuleRange } from './ruleRange';
import type { RuleRange } from './ruleRange';

/** Who a rule is for. */
export type RuleTarget = 'people' | 'api_keys';
export type RuleAction = 'allow' | 'deny';

/** One rule, as it is stored. */
export interface IpRule {
  readonly id: string;
  readonly action: RuleAction;
  readonly appliesTo: RuleTarget;
  /** A CIDR range. */
  readonly range: string;
  readonly note: string;
  readonly expiresAt: Date | null;
}

/** The reason for a refusal: a deny rule, or that no allow rule holds the address. */
export interface Refusal {
  /** Null if no rule allows the address. */
  readonly rule: Pick<IpRule, 'id' | 'action' | 'range'> | null;
}

/** The verdict on one address: the refusal, or undefined if it passes. */
export type JudgeAddress = (
  target: RuleTarget,
  address: string | null,
  now: number,
) => Refusal | undefined;

interface ReadRule extends RuleRange {
  readonly rule: IpRule;
  readonly until: number;
}

interface RulesOfTarget {
  readonly allow: readonly ReadRule[];
  readonly deny: readonly ReadRule[];
}

/** @throws Error for a range that Postgres would not have stored */
function read(rule: IpRule): ReadRule {
  const range = readRuleRange(rule.range);
  if (typeof range === 'string') throw new Error(`the range of IP rule ${rule.id} ${range}`);
  return { ...range, rule, until: rule.expiresAt?.getTime() ?? Infinity };
}

const NOT_ALLOWED: Refusal = { rule: null };

const refusalBy = ({ rule: { id, action, range } }: ReadRule): Refusal => ({
  rule: { id, action, range },
});

function judge({ allow, deny }: RulesOfTarget, address: string | null, now: number) {
  const denying = deny.filter(({ until }) => until > now);
  if (denying.length === 0 && allow.length === 0) return undefined;
  if (address === null) return NOT_ALLOWED;
  const bytes = addressBytes(address);
  const denied = denying.find((range) => holdsAddress(range, bytes));
  if (denied) return refusalBy(denied);
  if (allow.length === 0) return undefined;
  const allowed = allow.some((range) => range.until > now && holdsAddress(range, bytes));
  return allowed ? undefined : NOT_ALLOWED;
}

/**
 * Prepares rules for judging addresses. Their order does not matter: an address in a deny rule is
 * refused; if there is an allow rule, so is every address outside all allow rules. An expired deny
 * rule counts for nothing; an expired allow rule admits nobody, and all else stays closed. An
 * unknown address is refused if there is any rule.
 */
export function compileRules(rules: readonly IpRule[]): JudgeAddress {
  const of = (target: RuleTarget): RulesOfTarget => {
    const own = rules.filter(({ appliesTo }) => appliesTo === target).map(read);
    return {
      allow: own.filter(({ rule }) => rule.action === 'allow'),
      deny: own.filter(({ rule }) => rule.action === 'deny'),
    };
  };
  const targets = { people: of('people'), api_keys: of('api_keys') };
  return (target, address, now) => judge(targets[target], address, now);
}

/** Returns the first moment after now at which a rule expires, in milliseconds; Infinity if none does. */
export const nextExpiry = (rules: readonly IpRule[], now: number): number =>
  Math.min(
    Infinity,
    ...rules.flatMap(({ expiresAt }) =>
      expiresAt !== null && expiresAt.getTime() > now ? [expiresAt.getTime()] : [],
    ),
  );
