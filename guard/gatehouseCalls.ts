import type { Clocks } from './guardContract';
import { readBody } from './readBody';

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
  act?: { sub: string; staff_id: string };
  step_ups?: { purpose: string; verified_at: number; expires_in: number }[];
  degraded?: boolean;
}

/** An answer of a route, of any status. */
export interface Answer {
  status: number;
  headers: Headers;
  body: unknown;
}

/** Describes a refusal for people who read the log. After 401 and 403 the service key is what to look at. */
export function describeRefusal(path: string, status: number): string {
  const answered = `${path} answered ${status}`;
  if (status !== 401 && status !== 403) return answered;
  return `${answered}: check the service key, its scope (introspect) and its addresses`;
}

/** Gatehouse could not be asked, or gave an answer that cannot be used. */
export class Unavailable extends Error {
  constructor(
    message: string,
    readonly retryAfterSec = 1,
  ) {
    super(message);
  }
}

export interface Gatehouse {
  /**
   * Sends a question.
   * @throws Unavailable if there was no answer in time, or a status other than 200 and 428
   */
  ask(path: string, body: object, correlationId: string | undefined): Promise<Answer>;
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
  onProblem: (problem: Error) => void;
}

const MOST_AT_ONCE = 64;
const MOST_WAITING = 1000;
/** No answer that is used here is longer. */
const MOST_BYTES = 4_000_000;

/** Lets a limited number of questions run at a time, so that a flood does not reach Gatehouse. */
function createTurns() {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (running >= MOST_AT_ONCE) {
      if (waiting.length >= MOST_WAITING) throw new Unavailable('too many questions are waiting');
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else running += 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
}

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
  const { serviceKey, timeoutMs } = options;
  const base = new URL(options.url);
  base.pathname = base.pathname.replace(/\/*$/, '/');
  base.search = base.hash = '';
  const inTurn = createTurns();
  const authorization = `Bearer ${serviceKey}`;
  const { monotonic, wall } = options.clocks;
  let offset: number | undefined;
  const to = (path: string) => new URL(path.replace(/^\//, ''), base);

  async function send(path: string, init: RequestInit): Promise<Answer> {
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      const res = await options.fetch(to(path), { ...init, redirect: 'error', signal });
      const date = Date.parse(res.headers.get('date') ?? '');
      if (!Number.isNaN(date)) offset = date - monotonic();
      const text = await readText(res, signal);
      return { status: res.status, headers: res.headers, body: text ? parse(text) : {} };
    } catch (error) {
      if (error instanceof Unavailable) throw error;
      throw new Unavailable(`Gatehouse did not answer: ${(error as Error).message}`);
    }
  }

  return {
    now: () => (offset === undefined ? wall() : monotonic() + offset),
    ask: (path, body, correlationId) =>
      inTurn(async () => {
        const answer = await send(path, {
          method: 'POST',
          headers: {
            authorization,
            'content-type': 'application/json',
            ...(correlationId === undefined ? {} : { 'x-correlation-id': correlationId }),
          },
          body: JSON.stringify(body),
        });
        const { status, headers } = answer;
        if (status === 200 || status === 428) return answer;
        const problem = new Unavailable(describeRefusal(path, status), secondsOf(headers));
        if (status === 401 || status === 403) options.onProblem(problem);
        throw problem;
      }),
    open: (path, signal) =>
      options.fetch(to(path), { headers: { authorization }, redirect: 'error', signal }),
    async readKeys() {
      const { status, body } = await send('.well-known/jwks.json', {});
      if (status !== 200) throw new Unavailable(`the public keys were answered with ${status}`);
      return body;
    },
  };
}
