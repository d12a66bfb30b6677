import type { Clock } from '../context';
import { SECOND_MS } from '../durations';
import type { ReadSet } from './ruleReadStore';
import { compileRules, nextExpiry } from './ruleSet';
import type { IpRule, JudgeAddress, Refusal, RuleTarget } from './ruleSet';

/** The verdict of the rules in memory on one address. */
export type AddressVerdict =
  | { kind: 'passes' }
  | { kind: 'refused'; refusal: Refusal }
  /** The rules of the tenant cannot be read. */
  | { kind: 'unavailable' };

/** The IP rules of all tenants in the memory of this node. */
export interface RuleMemory {
  /**
   * Waits until the rules in memory are at most a second old, if that can be. It never throws: if
   * they cannot be read, the verdicts say so.
   */
  refresh(): Promise<void>;
  /**
   * Waits until the rules in memory are those of this moment, or later ones. It is for answers that
   * somebody keeps until they hear of a change.
   * @returns false if they cannot be read: then those that were read last count
   */
  refreshNow(): Promise<boolean>;
  /** Judges an address by the rules in memory. An unknown address is null. */
  judge(tenantId: string, target: RuleTarget, address: string | null): AddressVerdict;
  /** Returns whether the tenant has such rules, in force or not, or whether that is not known. */
  concerns(tenantId: string, target: RuleTarget): boolean;
  /**
   * Returns when the rules of a tenant next change without a write, in milliseconds since the
   * epoch; Infinity if they do not.
   */
  nextChange(tenantId: string): number;
  /** Makes the next request read the rules again. */
  forget(): void;
  /** Returns whether tenants with rules are refused because the rules cannot be read. */
  isUnavailable(): boolean;
}

export interface RuleMemoryOptions {
  readVersion: () => Promise<string | undefined>;
  readSets: (known: ReadonlyMap<string, number>) => Promise<ReadSet[]>;
  clock: Clock;
  /** Called when reading begins to fail, and when it works again. */
  onTurn: (error: unknown) => void;
}

/** A request that needs rules of this age starts a reading, and does not wait for it. */
const READ_AFTER_MS = 750;
/** A request waits for rules that are younger. */
const OLDEST_MS = SECOND_MS;
/** How long the last reading counts if none has succeeded since. */
const KEPT_MS = 30 * SECOND_MS;
/** The most verdicts that are kept of one set. */
const MOST_VERDICTS = 1000;

interface KeptSet {
  version: number;
  trialEndsAt: number;
  suspended: boolean;
  standing: Judged;
  trial: Judged;
  /** The callers that any of the rules is for. */
  targets: ReadonlySet<RuleTarget>;
}

/** Rules that were prepared, and their last verdicts. */
interface Judged {
  rules: readonly IpRule[];
  judge: JudgeAddress;
}

/**
 * Keeps verdicts until one of the rules expires. The rules are compiled for the first verdict: to compile
 * those of all tenants at once would stop the node for seconds.
 */
function prepare(rules: readonly IpRule[]): Judged {
  let judgeOnce: JudgeAddress | undefined;
  const kept = new Map<string, Refusal | undefined>();
  let keptUntil = 0;
  return {
    rules,
    judge(target, address, now) {
      if (now >= keptUntil) {
        kept.clear();
        keptUntil = nextExpiry(rules, now);
      }
      const name = `${target} ${address ?? ''}`;
      if (kept.has(name)) return kept.get(name);
      judgeOnce ??= compileRules(rules);
      const refusal = judgeOnce(target, address, now);
      if (kept.size >= MOST_VERDICTS) kept.clear();
      kept.set(name, refusal);
      return refusal;
    },
  };
}

function keep(
  { rules, version, trialEndsAt, suspended }: ReadSet,
  before: KeptSet | undefined,
): KeptSet | undefined {
  const times = { version, trialEndsAt: trialEndsAt ?? 0, suspended };
  if (rules === null) return before && { ...before, ...times };
  const standing = prepare(rules.filter(({ trial }) => !trial));
  const trial = prepare(rules.filter((rule) => rule.trial));
  const targets = new Set(rules.map(({ appliesTo }) => appliesTo));
  return { ...times, standing, trial, targets };
}

/** Returns the rules of a set that are in force at a moment, by the database's time. */
const inForce = (set: KeptSet, now: number): Judged | undefined =>
  set.suspended ? undefined : set.trialEndsAt > now ? set.trial : set.standing;

/** Reads the sets again if any has changed, and knows how old they are. */
function createReader({ readVersion, readSets, onTurn }: RuleMemoryOptions) {
  let sets: ReadonlyMap<string, KeptSet> = new Map();
  let version: string | undefined;
  let readAt = -Infinity;
  let failedAt = -Infinity;
  let reading: Promise<void> | undefined;
  /** The reading that follows the one under way. */
  let following: Promise<void> | undefined;
  /** Counts up with each `forget`: a reading that began before it may be older than the change. */
  let forgets = 0;

  const failedLately = () => performance.now() - failedAt < OLDEST_MS;

  async function load(): Promise<void> {
    const now = await readVersion();
    if (now === undefined || now !== version) {
      const known = version === undefined ? [] : [...sets];
      const versions = new Map(known.map(([tenantId, set]) => [tenantId, set.version]));
      const read = await readSets(versions);
      sets = new Map(
        read.flatMap((set) => {
          const kept = keep(set, sets.get(set.tenantId));
          return kept ? [[set.tenantId, kept] as const] : [];
        }),
      );
    }
    version = now;
  }

  async function turn(): Promise<void> {
    const [begunAt, forgetsBefore] = [performance.now(), forgets];
    try {
      await load();
      readAt = forgets === forgetsBefore ? begunAt : begunAt - OLDEST_MS;
      failedAt = -Infinity;
      onTurn(undefined);
    } catch (error) {
      // The database may be another one when it comes back, so nothing that is known counts then.
      version = undefined;
      failedAt = performance.now();
      onTurn(error);
    } finally {
      reading = undefined;
    }
  }

  return {
    sets: () => sets,
    age: () => performance.now() - readAt,
    failedLately,
    read: () => (reading ??= turn()),
    /** Returns a reading that begins after this call; many callers share it. */
    readAfresh(): Promise<void> {
      if (!reading) return (reading = turn());
      following ??= reading.then(() => {
        following = undefined;
        // One that failed will not do better at once.
        return failedLately() ? undefined : (reading ??= turn());
      });
      return following;
    },
    forget() {
      forgets += 1;
      failedAt = -Infinity;
      readAt = Math.min(readAt, performance.now() - OLDEST_MS);
    },
  };
}

/**
 * Creates the memory. Nothing is read before the first request needs it, and an idle node reads
 * nothing.
 */
export function createRuleMemory(options: RuleMemoryOptions): RuleMemory {
  const reader = createReader(options);
  const now = () => options.clock.now().getTime();
  const setOf = (tenantId: string) => reader.sets().get(tenantId);

  return {
    async refresh() {
      const age = reader.age();
      if (age < READ_AFTER_MS) return;
      if (age >= OLDEST_MS && reader.failedLately()) return;
      const read = reader.read();
      if (age < OLDEST_MS) return;
      await read;
      // It may have begun before a change that this request has to see.
      if (reader.age() >= OLDEST_MS && !reader.failedLately()) await reader.read();
    },
    async refreshNow() {
      if (!reader.failedLately()) await reader.readAfresh();
      return !reader.failedLately();
    },
    judge(tenantId, target, address) {
      const set = setOf(tenantId);
      // In the first reading every tenant without a set is known to have no rules.
      if (!set) return { kind: Number.isFinite(reader.age()) ? 'passes' : 'unavailable' };
      if (reader.age() > KEPT_MS) return { kind: 'unavailable' };
      const refusal = inForce(set, now())?.judge(target, address, now());
      return refusal ? { kind: 'refused', refusal } : { kind: 'passes' };
    },
    concerns(tenantId, target) {
      const set = setOf(tenantId);
      return set ? set.targets.has(target) : !Number.isFinite(reader.age());
    },
    nextChange(tenantId) {
      const set = setOf(tenantId);
      const rules = set && inForce(set, now())?.rules;
      if (!set || !rules) return Infinity;
      return Math.min(
        set.trialEndsAt > now() ? set.trialEndsAt : Infinity,
        nextExpiry(rules, now()),
      );
    },
    forget: () => reader.forget(),
    isUnavailable: () => reader.age() > KEPT_MS,
  };
}
