import { BoundedMap } from './boundedMap';
import type { Clocks } from './guardContract';
import type { Introspection } from './gatehouseCalls';

/** The ids by which a change can name an answer. */
export interface Ids {
  tenantId?: string | undefined;
  userId?: string | undefined;
  sessionId?: string | undefined;
  apiKeyId?: string | undefined;
  /** The user, and the session, of somebody who acts as another member. */
  actorUserId?: string | undefined;
  actorSessionId?: string | undefined;
}

/** A change as the stream names it. */
export interface Change extends Ids {
  kind: string;
}

/** What Gatehouse said about a session or a key. */
export interface Answer {
  readonly introspection: Introspection;
  /** When the question was sent: the answer is at least as new. */
  readonly sentAt: number;
  readonly ids: Ids;
  /** When the answer stops being true without a change: the end of the token, session or key. */
  readonly until: number;
}

/** A question that is under way. */
export interface Flight {
  /** Returns whether the answer can be kept: no change has named it meanwhile. */
  land(ids: Ids): boolean;
}

export interface Knowledge {
  /**
   * Returns a kept answer with its greatest age; undefined if there is none, or it is older than the
   * bound.
   */
  find(key: string): { answer: Answer; ageMs: number } | undefined;
  keep(key: string, answer: Answer): void;
  /** Notes that a question is under way, so that a change in the meantime is not missed. */
  takeOff(): Flight;
  /** Forgets every answer that a change names. */
  forget(change: Change): void;
  /** Forgets everything, also what is under way. */
  forgetAll(): void;
  /** Everything that was committed before this moment of the monotonic clock was delivered. */
  cover(until: number): void;
  /** A node of Gatehouse has listed the keys with which it accepts tokens. */
  listKeys(keyIds: readonly string[]): void;
  /** Returns whether the last list has a key; undefined before the first one. */
  isListed(keyId: string): boolean | undefined;
  /** A node has accepted a token of this key, in answer to a question of this moment. */
  acceptKey(keyId: string, sentAt: number): void;
  /** Returns how old the knowledge is, at most, that Gatehouse accepts tokens of a key. */
  keyAgeMs(keyId: string): number;
  /** Grows when the monotonic clock has missed time, as in a suspension of the machine. */
  clockEpoch(): number;
  /** Since when changes may be missing; null before the first message. */
  coveredUntil(): number | null;
  readonly size: number;
}

/** Returns whether a change names one of these ids. An unknown kind names everything. */
export function concerns(change: Change, ids: Ids): boolean {
  const isUser = change.userId === ids.userId || change.userId === ids.actorUserId;
  switch (change.kind) {
    case 'session':
      return change.sessionId === ids.sessionId || change.sessionId === ids.actorSessionId;
    case 'staff':
      return change.tenantId === ids.tenantId && isUser;
    case 'user':
      return isUser;
    case 'tenant':
      return change.tenantId === ids.tenantId;
    case 'api_key':
      return change.apiKeyId === ids.apiKeyId;
    case 'service_key':
      return false;
    default:
      return true;
  }
}

/** Returns the id by which the answers that a change names are found; undefined for an unknown kind. */
function idOf(change: Change): string | undefined {
  switch (change.kind) {
    case 'session':
      return change.sessionId;
    case 'staff':
    case 'user':
      return change.userId;
    case 'tenant':
      return change.tenantId;
    case 'api_key':
      return change.apiKeyId;
    default:
      return undefined;
  }
}

/** Finds the keys of answers by one of their ids. */
function createIndex() {
  const keys = new Map<string, Set<string>>();
  return {
    add(id: string | undefined, key: string) {
      if (id === undefined) return;
      const own = keys.get(id) ?? new Set();
      keys.set(id, own.add(key));
    },
    remove(id: string | undefined, key: string) {
      if (id === undefined) return;
      const own = keys.get(id);
      own?.delete(key);
      if (own?.size === 0) keys.delete(id);
    },
    of: (id: string | undefined): string[] => (id === undefined ? [] : [...(keys.get(id) ?? [])]),
  };
}

const INDEXED = [
  ...(['tenantId', 'userId', 'sessionId', 'apiKeyId'] as const),
  ...(['actorUserId', 'actorSessionId'] as const),
] as const;
/** A question under way remembers so many changes; with more, its answer is not kept. */
const MOST_REMEMBERED = 1000;
/** So many credentials that are not valid are remembered. */
const MOST_ENDED = 1000;

/** Keeps what Gatehouse said, and knows how old it can be. */
export function createKnowledge(options: {
  clocks: Clocks;
  maxStalenessMs: number;
  maxKept: number;
}): Knowledge {
  const { clocks, maxStalenessMs } = options;
  const index = createIndex();
  const unindex = (key: string, { ids }: Answer) => {
    for (const name of INDEXED) index.remove(ids[name], key);
  };
  const answers = new BoundedMap<Answer>(options.maxKept, unindex);
  // A flood of made-up credentials must not push out what is known about people.
  const ended = new BoundedMap<Answer>(Math.min(options.maxKept, MOST_ENDED), unindex);
  const flights = new Set<Change[]>();
  let covered = -Infinity;
  let listed: ReadonlySet<string> | undefined;
  /** When Gatehouse was last asked about a token of a key, and accepted it. */
  const accepted = new Map<string, number>();
  /** How far the two clocks are apart. It changes if the machine was suspended. */
  let apart = clocks.wall() - clocks.monotonic();
  let clockEpoch = 0;

  /** After a suspension the monotonic clock knows nothing of the time that has passed. */
  function noticeSuspension(): void {
    const now = clocks.wall() - clocks.monotonic();
    if (Math.abs(now - apart) > maxStalenessMs / 2) {
      clockEpoch += 1;
      forgetAll();
      // Only now: many short suspensions add up.
      apart = now;
    }
  }

  function remove(key: string): void {
    answers.delete(key);
    ended.delete(key);
  }

  function forgetAll(): void {
    answers.clear();
    ended.clear();
    accepted.clear();
    for (const seen of flights) seen.push({ kind: 'everything' });
    covered = -Infinity;
  }

  return {
    find(key) {
      noticeSuspension();
      const answer = answers.get(key) ?? ended.get(key);
      if (!answer) return undefined;
      const now = clocks.monotonic();
      // Whatever changed after the question and before `covered` has been applied: a reconnect
      // continues at a cursor below everything that was still open, and a reset forgets all.
      const ageMs = Math.max(0, now - Math.max(answer.sentAt, covered));
      if (now < answer.until) return ageMs <= maxStalenessMs ? { answer, ageMs } : undefined;
      remove(key);
      return undefined;
    },
    keep(key, answer) {
      remove(key);
      (answer.introspection.active ? answers : ended).set(key, answer);
      for (const name of INDEXED) index.add(answer.ids[name], key);
    },
    takeOff() {
      const seen: Change[] = [];
      flights.add(seen);
      return {
        land(ids) {
          noticeSuspension();
          flights.delete(seen);
          return seen.length < MOST_REMEMBERED && !seen.some((change) => concerns(change, ids));
        },
      };
    },
    forget(change) {
      for (const seen of flights) if (seen.length < MOST_REMEMBERED) seen.push(change);
      const id = idOf(change);
      if (id === undefined) return change.kind === 'service_key' ? undefined : forgetAll();
      for (const key of index.of(id)) {
        const answer = answers.get(key) ?? ended.get(key);
        if (answer && concerns(change, answer.ids)) remove(key);
      }
    },
    forgetAll,
    cover(until) {
      covered = Math.max(covered, Math.min(until, clocks.monotonic()));
    },
    listKeys(keyIds) {
      listed = new Set(keyIds);
      for (const keyId of accepted.keys()) if (!listed.has(keyId)) accepted.delete(keyId);
    },
    isListed: (keyId) => listed?.has(keyId),
    acceptKey(keyId, sentAt) {
      accepted.set(keyId, Math.max(sentAt, accepted.get(keyId) ?? -Infinity));
    },
    keyAgeMs(keyId) {
      const known = Math.max(
        accepted.get(keyId) ?? -Infinity,
        listed?.has(keyId) === true ? covered : -Infinity,
      );
      return Math.max(0, clocks.monotonic() - known);
    },
    clockEpoch() {
      noticeSuspension();
      return clockEpoch;
    },
    coveredUntil: () => (covered === -Infinity ? null : covered),
    get size() {
      return answers.size + ended.size;
    },
  };
}
