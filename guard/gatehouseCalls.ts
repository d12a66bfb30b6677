import type { Clocks } from './guardContract';
import { reasonOf } from './outages';
import type { Outages } from './outages';
import { createQuotaWatch } from './quotaWatch';
import { readBody } from './readBody';
import { createTurns } from './turns';
import type { Lane } from './turns';
import { Unavailable, refusalOf } from './unavailable';

/** What Gatehouse answers about a token. */
export interface Introspection {
  active: boolean;
  token_type?: string;
  sub?: string;
  tid?: string;
  tenant?: string;
  staff_id?: string;
  sid?: string;
  sv?: number;
  api_key_id?: string;
  username?: string;
  name?: string | null;
  permissions?: string[];
  roles?: string[];
  amr?: string[];
  acr?: string;
  auth_time?: number;
  expires_in?: number;
  act?: { sub: string; staff_id: string; sid?: string; scope?: string };
  step_ups?: { purpose: string; verified_at: number; expires_in: number }[];
  degraded?: boolean;
  /** The tenant has IP rules: the answer holds for the reported address alone. */
  address_bound?: boolean;
  /** Why the token is not active, if it is because of the address. */
  reason?: string;
}

/** An answer of a route, of any status. */
export interface Answer {
  status: number;
  headers: Headers;
  body: unknown;
}

/** What Gatehouse is told with a question, and which line it waits in. */
export interface Asking {
  correlationId: string | undefined;
  lane: Lane;
}

export interface Gatehouse {
  /**
   * Sends a question. Its time begins with the call, and includes the time in which it waits.
   * @throws Unavailable if there was no answer in time, or a status other than 200 and 428
   */
  ask(path: string, body: object, asking: Asking): Promise<Answer>;
  /** Sends a GET with the service key. The caller reads the body. */
  open(path: string, signal: AbortSignal): Promise<Response>;
  /** @throws Unavailable */
  readKeys(): Promise<unknown>;
  /**
   * Returns Gatehouse's time, in milliseconds since 1970: that of its last answer, and what has passed
   * since on the monotonic clock. A wrong time of day on this machine changes nothing.
   */
  now(): number;
}

interface GatehouseOptions {
  url: string;
  serviceKey: string;
  timeoutMs: number;
  clocks: Clocks;
  fetch: typeof fetch;
  outages: Outages;
}

/** No answer that is used here is longer. */
const MOST_BYTES = 4_000_000;

/**
 * Reads a body of limited length.
 * @throws Unavailable if it is longer
 */
export async function readText(res: Response, signal: AbortSignal): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of readBody(res, signal)) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > MOST_BYTES) throw new Unavailable('the answer is too long');
  }
  return text + decoder.decode();
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Unavailable('the answer is no JSON: something other than Gatehouse answered');
  }
}

const secondsOf = (headers: Headers): number => {
  const seconds = Number(headers.get('retry-after'));
  return Number.isInteger(seconds) && seconds > 0 && seconds <= 60 ? seconds : 1;
};

/** Builds the connection to Gatehouse. A redirect is refused, because it could lead the key elsewhere. */
export function createGatehouse(options: GatehouseOptions): Gatehouse {
  const { serviceKey, timeoutMs, outages } = options;
  const base = new URL(options.url);
  base.pathname = base.pathname.replace(/\/*$/, '/');
  base.search = base.hash = '';
  const inTurn = createTurns();
  const quota = createQuotaWatch(options.clocks);
  const authorization = `Bearer ${serviceKey}`;
  const { monotonic, wall } = options.clocks;
  let offset: number | undefined;
  const to = (path: string) => new URL(path.replace(/^\//, ''), base);

  async function send(path: string, init: RequestInit, signal: AbortSignal): Promise<Answer> {
    try {
      const res = await options.fetch(to(path), { ...init, redirect: 'error', signal });
      const date = Date.parse(res.headers.get('date') ?? '');
      if (!Number.isNaN(date)) offset = date - monotonic();
      const text = await readText(res, signal);
      return { status: res.status, headers: res.headers, body: text ? parse(text) : {} };
    } catch (error) {
      if (error instanceof Unavailable) throw error;
      throw new Unavailable(`Gatehouse did not answer: ${reasonOf(error)}`);
    }
  }

  async function ask(path: string, body: object, { correlationId, lane }: Asking): Promise<Answer> {
    const signal = AbortSignal.timeout(timeoutMs);
    const headers = {
      authorization,
      'content-type': 'application/json',
      ...(correlationId === undefined ? {} : { 'x-correlation-id': correlationId }),
    };
    const init = { method: 'POST', headers, body: JSON.stringify(body) };
    return inTurn(lane, signal, async () => {
      const pauseSec = lane === 'unknown' ? quota.pauseSec() : 0;
      if (pauseSec > 0) throw new Unavailable('half of the quota is used', pauseSec);
      try {
        const answer = await send(path, init, signal);
        quota.note(answer.headers);
        const { status } = answer;
        if (status !== 200 && status !== 428) {
          throw refusalOf(path, status, secondsOf(answer.headers));
        }
        outages.worked('questions');
        return answer;
      } catch (error) {
        outages.failed('questions', error);
        throw error;
      }
    });
  }

  return {
    now: () => (offset === undefined ? wall() : monotonic() + offset),
    ask,
    open: (path, signal) =>
      options.fetch(to(path), { headers: { authorization }, redirect: 'error', signal }),
    async readKeys() {
      const signal = AbortSignal.timeout(timeoutMs);
      const { status, body } = await send('.well-known/jwks.json', {}, signal);
      if (status !== 200) throw new Unavailable(`the public keys were answered with ${status}`);
      return body;
    },
  };
}
