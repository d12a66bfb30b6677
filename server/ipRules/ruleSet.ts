import { addressBits, prefixOf, rangeBits, readRuleRange } from './ruleRange';
import type { Bits } from './ruleRange';

/** The callers that a rule is for. */
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

interface ReadRule {
  readonly rule: IpRule;
  readonly until: number;
  /** Its place in the list. */
  readonly at: number;
}

/** The rules with masks of one length, by the bits before the mask. */
interface RulesOfMask {
  /** Of the addresses, in bits. */
  readonly length: number;
  readonly bits: number;
  readonly byPrefix: Map<bigint, ReadRule>;
}

/** Rules of one action. An address is looked up once for each length of a mask, however many rules there are. */
interface RulesOfAction {
  readonly masks: readonly RulesOfMask[];
  readonly isEmpty: boolean;
  /** When the last one of them expires. */
  readonly until: number;
}

interface RulesOfTarget {
  readonly allow: RulesOfAction;
  readonly deny: RulesOfAction;
}

/** @throws Error for a range that Postgres would not have stored */
function index(rules: readonly IpRule[]): RulesOfAction {
  const masks = new Map<string, RulesOfMask>();
  let last = -Infinity;
  rules.forEach((rule, at) => {
    const range = readRuleRange(rule.range);
    if (typeof range === 'string') throw new Error(`the range of IP rule ${rule.id} ${range}`);
    const base = rangeBits(range);
    const name = `${base.length}/${range.bits}`;
    const mask = masks.get(name) ?? {
      length: base.length,
      bits: range.bits,
      byPrefix: new Map<bigint, ReadRule>(),
    };
    masks.set(name, mask);
    const until = rule.expiresAt?.getTime() ?? Infinity;
    last = Math.max(last, until);
    const prefix = prefixOf(base, range.bits);
    // Two texts can be one range, if they were written by SQL: the one that lasts longer counts.
    if ((mask.byPrefix.get(prefix)?.until ?? -Infinity) < until) {
      mask.byPrefix.set(prefix, { rule, until, at });
    }
  });
  return { masks: [...masks.values()], isEmpty: rules.length === 0, until: last };
}

/** Returns the first rule in the list that holds an address and has not expired. */
function find({ masks }: RulesOfAction, address: Bits, now: number): ReadRule | undefined {
  let found: ReadRule | undefined;
  for (const { length, bits, byPrefix } of masks) {
    if (length !== address.length) continue;
    const one = byPrefix.get(prefixOf(address, bits));
    if (one && one.until > now && (!found || one.at < found.at)) found = one;
  }
  return found;
}

const NOT_ALLOWED: Refusal = { rule: null };

const refusalBy = ({ rule: { id, action, range } }: ReadRule): Refusal => ({
  rule: { id, action, range },
});

function judge({ allow, deny }: RulesOfTarget, address: string | null, now: number) {
  if (deny.until <= now && allow.isEmpty) return undefined;
  if (address === null) return NOT_ALLOWED;
  const bits = addressBits(address);
  const denied = find(deny, bits, now);
  if (denied) return refusalBy(denied);
  return allow.isEmpty || find(allow, bits, now) ? undefined : NOT_ALLOWED;
}

/**
 * Prepares rules for judging addresses. Their order does not matter: an address in a deny rule is
 * refused; if there is an allow rule, so is every address outside all allow rules. An expired deny
 * rule counts for nothing; an expired allow rule admits nobody, and all else stays closed. An
 * unknown address is refused if there is any rule.
 */
export function compileRules(rules: readonly IpRule[]): JudgeAddress {
  const of = (target: RuleTarget): RulesOfTarget => {
    const own = rules.filter(({ appliesTo }) => appliesTo === target);
    return {
      allow: index(own.filter(({ action }) => action === 'allow')),
      deny: index(own.filter(({ action }) => action === 'deny')),
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
