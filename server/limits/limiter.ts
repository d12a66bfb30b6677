import { setImmediate } from 'node:timers/promises';
import type { RateLimitPolicy } from '../config/rateLimitSettings';
import { SECOND_MS } from '../durations';
import type { RateStatus, RateVerdict } from '../http/rateVerdict';
import { bucketOf, createLeases } from './leases';
import type { Lease } from './leases';
import { freeTokens } from './rateLimitStore';
import type { AskedTokens, GrantedTokens, RateLimitScope } from './rateLimitStore';

/** A caller in one policy. */
export interface Subject {
  readonly scope: RateLimitScope;
  /** An id or an address block; the database gets a keyed hash of it. */
  readonly subject: string;
}

export interface RateLimits {
  /**
   * Counts one request against every subject, or against none if one of them has used up its quota.
   * @returns undefined if no policy applies, or if the database could not be asked: the request may
   * go on then
   */
  take(subjects: readonly Subject[]): Promise<RateVerdict | undefined>;
  /** Returns whether this node knows that a subject has used up its quota; it asks nobody. */
  isUsedUp(subjects: readonly Subject[]): boolean;
}

export interface RateLimitParts {
  policies: Readonly<Record<RateLimitScope, RateLimitPolicy>>;
  /** Takes tokens from the buckets that all nodes share. */
  takeTokens: (asked: readonly AskedTokens[]) => Promise<GrantedTokens[]>;
  hash: (scope: RateLimitScope, subject: string) => string;
  /** Whether the database may be asked; `succeeded` or `failed` reports the outcome. */
  breaker: { admit(): boolean; succeeded(): void; failed(): void };
  onFailure: (error: unknown) => void;
  onSkipped: () => void;
  /** The milliseconds of a monotonic clock. */
  elapsedMs: () => number;
  mostLeases: number;
}

interface Waiting {
  subjects: readonly Subject[];
  rounds: number;
  resolve: (verdict: RateVerdict | undefined) => void;
}

/** The buckets in one statement. */
const MOST_BUCKETS = 500;
/** A request that finds no token after so many statements, because others took them, goes on. */
const MOST_ROUNDS = 5;

/** A bucket that was empty is asked again after so long at the earliest. */
const EMPTY_FOR_MS = SECOND_MS;

/** Returns the milliseconds until a bucket without a free token has one. */
function untilNextToken({ tokens, previous, endsInMs }: GrantedTokens, windowMs: number): number {
  // In this window only the share of the window before can shrink.
  const wait = tokens === 0 ? endsInMs : endsInMs - (tokens * windowMs) / previous;
  return Math.min(endsInMs, Math.max(EMPTY_FOR_MS, wait));
}

const isEmpty = (lease: Lease | undefined) => lease?.left === 0 && lease.shared === 0;

/** Decides about requests from the leases in memory. */
function createJudge({ policies, elapsedMs, mostLeases }: RateLimitParts) {
  const leases = createLeases(mostLeases);

  function describe({ scope }: Subject, { left, shared, endsAt }: Lease, now: number): RateStatus {
    const resetSec = Math.max(1, Math.ceil((endsAt - now) / SECOND_MS));
    return { policy: scope, ...policies[scope], remaining: left + shared, resetSec };
  }

  /** Returns how many tokens this node holds. */
  const countLeft = (subject: Subject): number =>
    leases.find(bucketOf(subject), elapsedMs())?.left ?? 0;

  return {
    countLeft,

    isUsedUp(subjects: readonly Subject[]): boolean {
      const now = elapsedMs();
      return subjects.some((subject) => isEmpty(leases.find(bucketOf(subject), now)));
    },

    /** @returns undefined if the database has to be asked first */
    decide(subjects: readonly Subject[]): RateVerdict | undefined {
      const now = elapsedMs();
      const held = subjects.map((subject) => leases.find(bucketOf(subject), now));
      // An empty bucket is not asked again before it has a token, so a flood costs no statements.
      const violated = subjects.flatMap(({ scope }, at) => (isEmpty(held[at]) ? [scope] : []));
      if (violated.length === 0) {
        if (held.some((lease) => lease === undefined || lease.left === 0)) return undefined;
        for (const lease of held) if (lease) lease.left -= 1;
      }
      const statuses = subjects.flatMap((subject, at) => {
        const lease = held[at];
        return lease ? [describe(subject, lease, now)] : [];
      });
      return { statuses, violated };
    },

    /** @param askedAt before the statement was sent, so that no lease outlives its window */
    add(subject: Subject, answer: GrantedTokens, askedAt: number): void {
      const windowMs = policies[subject.scope].windowSec * SECOND_MS;
      const shared = freeTokens(answer, windowMs);
      const lastsMs = shared === 0 ? untilNextToken(answer, windowMs) : answer.endsInMs;
      const left = countLeft(subject) + answer.granted;
      leases.keep(bucketOf(subject), { left, shared, endsAt: askedAt + lastsMs });
    },
  };
}

/** Adds up the tokens that requests lack; those for which no bucket is free are left out. */
function planStatement(waiting: readonly Waiting[], countLeft: (subject: Subject) => number) {
  const lacking = new Map<string, { subject: Subject; need: number }>();
  const within: Waiting[] = [];
  for (const one of waiting) {
    if (lacking.size + one.subjects.length > MOST_BUCKETS) break;
    within.push(one);
    for (const subject of one.subjects) {
      const bucket = bucketOf(subject);
      const before = lacking.get(bucket)?.need ?? -countLeft(subject);
      lacking.set(bucket, { subject, need: before + 1 });
    }
  }
  return { within, lacking: [...lacking.values()].filter(({ need }) => need > 0) };
}

type Judge = ReturnType<typeof createJudge>;
type Lacking = ReturnType<typeof planStatement>['lacking'];

/** Asks the database for tokens. @returns whether it answered, or had not to be asked */
async function lease(parts: RateLimitParts, judge: Judge, lacking: Lacking): Promise<boolean> {
  if (lacking.length === 0) return true;
  if (!parts.breaker.admit()) return false;
  const subjects = new Map<string, Subject>();
  const askedAt = parts.elapsedMs();
  try {
    const asked = lacking.map(({ subject: { scope, subject }, need }) => {
      const hash = parts.hash(scope, subject);
      subjects.set(bucketOf({ scope, subject: hash }), { scope, subject });
      return { scope, subject: hash, need, ...parts.policies[scope] };
    });
    for (const granted of await parts.takeTokens(asked)) {
      const subject = subjects.get(bucketOf(granted));
      if (subject) judge.add(subject, granted, askedAt);
    }
    parts.breaker.succeeded();
    return true;
  } catch (error) {
    parts.breaker.failed();
    parts.onFailure(error);
    return false;
  }
}

/**
 * Creates the rate limits of one node. A bucket holds what one subject may still send in its
 * window, in a row that all nodes share. The node leases tokens of it, and spends them in memory. Requests that
 * find no token in memory share one statement.
 */
export function createRateLimits(parts: RateLimitParts): RateLimits {
  const { policies } = parts;
  const judge = createJudge(parts);
  let gathering: Waiting[] = [];
  let asking = false;

  function settle(one: Waiting, leased: boolean): void {
    const verdict = judge.decide(one.subjects);
    if (verdict === undefined && leased && one.rounds < MOST_ROUNDS) {
      gathering.push({ ...one, rounds: one.rounds + 1 });
      return;
    }
    if (verdict === undefined) parts.onSkipped();
    one.resolve(verdict);
  }

  async function askDatabase(): Promise<void> {
    while (gathering.length > 0) {
      // At this point all sockets that are readable now have been read, so their requests join.
      await setImmediate();
      const { within, lacking } = planStatement(gathering, judge.countLeft);
      gathering = gathering.slice(within.length);
      const leased = await lease(parts, judge, lacking);
      for (const one of within) settle(one, leased);
    }
    asking = false;
  }

  return {
    isUsedUp: (subjects) => judge.isUsedUp(subjects),
    async take(all) {
      const subjects = all.filter(({ scope }) => policies[scope].quota > 0);
      if (subjects.length === 0) return undefined;
      const verdict = judge.decide(subjects);
      if (verdict) return verdict;
      return new Promise((resolve) => {
        gathering.push({ subjects, rounds: 0, resolve });
        if (asking) return;
        asking = true;
        void askDatabase();
      });
    },
  };
}
