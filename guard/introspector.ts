import { createHash } from 'node:crypto';
import { BoundedMap } from './boundedMap';
import type { Clocks, Origin } from './guardContract';
import type { Gatehouse, Introspection } from './gatehouseCalls';
import type { Answer, Ids, Knowledge } from './knowledge';
import type { Claims } from './signatures';
import type { Lane } from './turns';
import { Unavailable } from './unavailable';

/** What is known about a credential, and how old that is at most. */
export interface Known {
  introspection: Introspection;
  /** How old it is, at most. */
  ageMs: number;
  /** How long ago the question was sent. What expires in the answer counts from then. */
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
  /** The line in which a question waits. */
  lane: Lane;
  whileActive: string;
  /** The name of an answer that holds for one address alone, because the tenant has IP rules. */
  whileBound: () => string;
  /** It has a hash, so that memory holds no key, and is needed only if nothing active is kept. */
  ended: () => string;
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

/** Returns the name under which an answer is kept. */
function nameAnswer(
  { whileActive, whileBound }: Names,
  ended: string,
  said: Introspection,
): string {
  if (!said.active) return ended;
  return said.address_bound === true ? whileBound() : whileActive;
}

/** Asks Gatehouse about credentials, and keeps the answers for as long as they can be trusted. */
export function createIntrospector(options: IntrospectorOptions): Introspector {
  const { gatehouse, knowledge, clocks } = options;
  /** The API keys that were valid from an address. Their questions do not wait behind made-up keys. */
  const seen = new BoundedMap<true>(options.maxKept);
  const underWay = new Map<string, Promise<Answer>>();

  /** Sends the question until an answer comes that no change has overtaken, twice at most. */
  async function ask(
    credential: string,
    origin: Origin,
    { ids: known, lane }: Pick<Names, 'ids' | 'lane'>,
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
  function findActive({
    whileActive,
    whileBound,
    keyId,
  }: Pick<Names, 'whileActive' | 'whileBound' | 'keyId'>) {
    const kept = knowledge.find(whileActive) ?? knowledge.find(whileBound());
    if (!kept || keyId === undefined) return kept;
    const keyAgeMs = knowledge.keyAgeMs(keyId);
    if (keyAgeMs > options.maxStalenessMs) return undefined;
    return { answer: kept.answer, ageMs: Math.max(kept.ageMs, keyAgeMs) };
  }

  /** Callers that ask the same thing at the same time share one question. */
  async function find(credential: string, names: Names, origin: Origin): Promise<Known> {
    const active = findActive(names);
    const ended = active ? '' : names.ended();
    const kept = active ?? knowledge.find(ended);
    if (kept) {
      const { introspection, sentAt } = kept.answer;
      const heldMs = clocks.monotonic() - sentAt;
      return { introspection, ageMs: kept.ageMs, heldMs, source: 'kept' };
    }
    let asked = underWay.get(ended);
    if (!asked) {
      const keep = (answer: Answer) => {
        knowledge.keep(nameAnswer(names, ended, answer.introspection), answer);
        if (answer.introspection.active && names.keyId !== undefined) {
          knowledge.acceptKey(names.keyId, answer.sentAt);
        }
      };
      asked = ask(credential, origin, names, keep).finally(() => underWay.delete(ended));
      underWay.set(ended, asked);
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
      const whileActive = sessionName(claims);
      const whileBound = () => boundName(whileActive, origin);
      const kept = findActive({ whileActive, whileBound, keyId: claims.keyId });
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
      const known = await find(
        token,
        {
          // Its signature shows that Gatehouse has signed somebody in, unless the key was removed.
          lane: knowledge.isListed(keyId) === false ? 'unknown' : 'known',
          keyId,
          whileActive,
          whileBound: () => boundName(whileActive, origin),
          ended: () => boundName(`token ${hashOf(token)}`, origin),
          ids: { tenantId: tid, userId: sub, sessionId: sid },
        },
        origin,
      );
      const { active } = known.introspection;
      return active && !fits(known.introspection, claims)
        ? { ...known, introspection: { active: false } }
        : known;
    },
    async ofApiKey(key, origin) {
      const name = `key ${hashOf(key)} ${addressOf(origin) ?? ''}`;
      const lane: Lane = seen.get(name) ? 'known' : 'unknown';
      // It names the address already.
      const names = { lane, whileActive: name, whileBound: () => name, ended: () => name };
      const known = await find(key, names, origin);
      if (known.introspection.active) seen.set(name, true);
      return known;
    },
  };
}
