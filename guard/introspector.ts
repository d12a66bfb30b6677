import { createHash } from 'node:crypto';
import { BoundedMap } from './boundedMap';
import type { Clocks, Origin } from './guardContract';
import type { Gatehouse, Introspection } from './gatehouseCalls';
import type { Answer, Ids, Knowledge } from './knowledge';
import type { Claims } from './signatures';
import type { Lane } from './turns';
import { Unavailable } from './unavailable';

/** The knowledge about a credential, and its greatest age. */
export interface Known {
  introspection: Introspection;
  /** How old it is, at most. */
  ageMs: number;
  /** How long ago the question was sent. The times in the answer count from then. */
  heldMs: number;
  source: 'kept' | 'asked';
}

export interface Introspector {
  /** Returns what is kept about the session of a token, if it is active and new enough. */
  recall(claims: Claims, origin: Origin): Known | undefined;
  /** @throws Unavailable */
  ofToken(token: string, claims: Claims, origin: Origin): Promise<Known>;
  /** @throws Unavailable */
  ofApiKey(key: string, origin: Origin): Promise<Known>;
}

interface IntrospectorOptions {
  gatehouse: Pick<Gatehouse, 'ask'>;
  knowledge: Knowledge;
  clocks: Clocks;
  maxStalenessMs: number;
  maxKept: number;
  onAsk: () => void;
}

/** A credential that is not valid is remembered for a short time, so that a flood of it asks seldom. */
const ENDED_MS = 5000;
/** A question whose answer was overtaken by a change is sent once more. */
const MOST_TRIES = 2;

/**
 * Under which names an answer is kept. All tokens of a session share an active one. An ended one is
 * about one token, because the next token of the session may be valid.
 */
interface Names {
  /** Returns the line in which a question waits. */
  lane: () => Lane;
  whileActive: string;
  /** The name of an answer that holds for one address alone, because the tenant has IP rules. */
  whileBound: () => string;
  /** It has a hash, so that memory holds no key, and is needed only if nothing active is kept. */
  ended: () => string;
  /** The name of a refusal that holds for one address alone. */
  refused: () => string;
  /** The ids that the credential itself names. */
  ids?: Ids;
  /** The key that signed a token. */
  keyId?: string;
}

/** Returns the address of the client of a request, if the adapter knows it. */
export const addressOf = ({ address }: Origin) =>
  typeof address === 'function' ? address() : address;

const hashOf = (text: string) => createHash('sha256').update(text).digest('base64');

function idsOf({ tid, sub, sid, api_key_id, act }: Introspection): Ids {
  const ids = { tenantId: tid, userId: sub, sessionId: sid, apiKeyId: api_key_id };
  return act ? { ...ids, actorUserId: act.sub, actorSessionId: act.sid } : ids;
}

const isIntrospection = (body: unknown): body is Introspection =>
  typeof body === 'object' &&
  body !== null &&
  typeof (body as Introspection).active === 'boolean' &&
  (!(body as Introspection).active || typeof (body as Introspection).expires_in === 'number');

const sessionName = ({ sid, sv }: Claims) => `session ${sid} ${sv}`;
const boundName = (name: string, origin: Origin) =>
  `${name} from ${addressOf(origin) ?? 'unknown'}`;

const isRefused = ({ active, reason }: Introspection) => !active && reason === 'IP_BLOCKED';

/** Returns the name under which an answer is kept. */
function nameAnswer({ whileActive, whileBound, ended, refused }: Names, said: Introspection) {
  if (isRefused(said)) return refused();
  if (!said.active) return ended();
  return said.address_bound === true ? whileBound() : whileActive;
}

/** From so many addresses the questions about one session do not wait behind strangers. */
const MOST_ADDRESSES = 16;

/**
 * Chooses the line in which a question about a session waits. Answers of a tenant with IP rules are kept
 * for one address each. So a member could make a question of each request, from the addresses of an IPv6
 * network, and keep everybody else waiting.
 */
function createSessionLanes(knowledge: Knowledge, most: number) {
  const sessions = new BoundedMap<Set<string>>(most);
  return {
    choose(claims: Claims, origin: Origin): Lane {
      // Its signature shows that Gatehouse has signed somebody in, unless the key was removed.
      if (knowledge.isListed(claims.keyId) === false) return 'unknown';
      const name = sessionName(claims);
      const addresses = sessions.get(name) ?? new Set();
      sessions.set(name, addresses);
      const address = addressOf(origin) ?? 'unknown';
      if (addresses.size < MOST_ADDRESSES) addresses.add(address);
      return addresses.has(address) ? 'known' : 'unknown';
    },
    /** Notes an answer that holds for all addresses: those of before do not matter. */
    noteAnswer(claims: Claims, said: Introspection): void {
      if (said.active && said.address_bound !== true) sessions.delete(sessionName(claims));
    },
  };
}

/** Asks Gatehouse about credentials, and keeps the answers for as long as they can be trusted. */
export function createIntrospector(options: IntrospectorOptions): Introspector {
  const { gatehouse, knowledge, clocks } = options;
  /** The API keys that were valid from an address. Their questions do not wait behind made-up keys. */
  const seen = new BoundedMap<true>(options.maxKept);
  const lanes = createSessionLanes(knowledge, options.maxKept);
  const underWay = new Map<string, Promise<Answer>>();

  /** Sends the question until an answer comes that no change has overtaken, twice at most. */
  async function ask(
    credential: string,
    origin: Origin,
    { ids: known, lane }: Pick<Names, 'ids'> & { lane: Lane },
    onAnswer: (answer: Answer) => void,
  ): Promise<Answer> {
    for (let tries = 1; ; tries += 1) {
      const flight = knowledge.takeOff();
      const sentAt = clocks.monotonic();
      options.onAsk();
      let ids: Ids = {};
      let landed = false;
      try {
        const address = addressOf(origin);
        const body = { token: credential, ...(address === undefined ? {} : { address }) };
        const asking = { correlationId: origin.correlationId, lane };
        const { body: said } = await gatehouse.ask('api/token/introspect', body, asking);
        if (!isIntrospection(said)) throw new Unavailable('the answer has another form');
        ids = said.active ? idsOf(said) : (known ?? {});
        const lasts = said.active ? (said.expires_in ?? 0) * 1000 : ENDED_MS;
        const answer = { introspection: said, sentAt, ids, until: sentAt + lasts };
        landed = true;
        const keeps = flight.land(ids) && said.degraded !== true;
        if (keeps) onAnswer(answer);
        if (keeps || said.degraded === true || tries >= MOST_TRIES) return answer;
      } finally {
        if (!landed) flight.land(ids);
      }
    }
  }

  /**
   * Returns a kept answer about a session. It was given about another token, perhaps, so it counts only
   * while the key of this one is known to be accepted: one that was removed may be in a thief's hands.
   */
  function whileAccepted(kept: ReturnType<Knowledge['find']>, keyId: string | undefined) {
    if (!kept || keyId === undefined) return kept;
    const keyAgeMs = knowledge.keyAgeMs(keyId);
    if (keyAgeMs > options.maxStalenessMs) return undefined;
    return { answer: kept.answer, ageMs: Math.max(kept.ageMs, keyAgeMs) };
  }

  /** Callers that ask the same thing at the same time share one question. */
  async function find(credential: string, names: Names, origin: Origin): Promise<Known> {
    const active = knowledge.find(names.whileActive) ?? knowledge.find(names.whileBound());
    const kept =
      whileAccepted(active, names.keyId) ??
      knowledge.find(names.ended()) ??
      knowledge.find(names.refused());
    if (kept) {
      const { introspection, sentAt } = kept.answer;
      const heldMs = clocks.monotonic() - sentAt;
      return { introspection, ageMs: kept.ageMs, heldMs, source: 'kept' };
    }
    const question = names.refused();
    let asked = underWay.get(question);
    if (!asked) {
      const keep = (answer: Answer) => {
        knowledge.keep(nameAnswer(names, answer.introspection), answer);
        if (answer.introspection.active && names.keyId !== undefined) {
          knowledge.acceptKey(names.keyId, answer.sentAt);
        }
      };
      const lane = names.lane();
      asked = ask(credential, origin, { ...names, lane }, keep).finally(() =>
        underWay.delete(question),
      );
      underWay.set(question, asked);
    }
    const { introspection, sentAt } = await asked;
    const ageMs = clocks.monotonic() - sentAt;
    if (ageMs > options.maxStalenessMs) throw new Unavailable('the answer came too late');
    return { introspection, ageMs, heldMs: ageMs, source: 'asked' };
  }

  /** An answer about somebody else's session is no answer about this token. */
  const fits = (said: Introspection, { sub, tid, sv }: Claims) =>
    said.sub === sub && said.tid === tid && said.sv === sv;

  return {
    recall(claims, origin) {
      const name = sessionName(claims);
      const active = knowledge.find(name) ?? knowledge.find(boundName(name, origin));
      const kept = whileAccepted(active, claims.keyId);
      if (!kept || !fits(kept.answer.introspection, claims)) return undefined;
      const { introspection, sentAt } = kept.answer;
      return {
        introspection,
        ageMs: kept.ageMs,
        heldMs: clocks.monotonic() - sentAt,
        source: 'kept',
      };
    },
    async ofToken(token, claims, origin) {
      const { sub, tid, sid, keyId } = claims;
      const whileActive = sessionName(claims);
      let hash: string | undefined;
      const ended = () => `token ${(hash ??= hashOf(token))}`;
      const known = await find(
        token,
        {
          lane: () => lanes.choose(claims, origin),
          keyId,
          whileActive,
          whileBound: () => boundName(whileActive, origin),
          ended,
          refused: () => boundName(ended(), origin),
          ids: { tenantId: tid, userId: sub, sessionId: sid },
        },
        origin,
      );
      lanes.noteAnswer(claims, known.introspection);
      const { active } = known.introspection;
      return active && !fits(known.introspection, claims)
        ? { ...known, introspection: { active: false } }
        : known;
    },
    async ofApiKey(key, origin) {
      const name = `key ${hashOf(key)} ${addressOf(origin) ?? ''}`;
      // It names the address already.
      const same = () => name;
      const lane = (): Lane => (seen.get(name) ? 'known' : 'unknown');
      const names = { lane, whileActive: name, whileBound: same, ended: same, refused: same };
      const known = await find(key, names, origin);
      if (known.introspection.active) seen.set(name, true);
      return known;
    },
  };
}
