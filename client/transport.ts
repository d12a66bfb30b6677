import type { Browser } from './browser';
import type { GatehouseOptions } from './contract';
import { GatehouseError } from './contract';

/** An answer of Gatehouse's own routes. */
export interface Answer {
  status: number;
  body: Readonly<Record<string, unknown>>;
  retryAfterMs?: number | undefined;
}

type Raw = Omit<Answer, 'body'> & { body: Answer['body'] | null };

export interface Transport {
  /** Where Gatehouse is; its path ends with a slash. */
  base: URL;
  timeoutMs: number;
  /** The URL of a request of the application: relative to `baseUrl`, or else to the page, as with the browser's own fetch. */
  resolve(input: string | URL): URL;
  /**
   * @param path below `base`, without a slash in front
   * @throws GatehouseError NETWORK where no whole answer came in time; with a status where something else answered
   */
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Answer>;
  /**
   * Makes sure that the network has just answered, so that a token is not sent into a dead one.
   * @throws GatehouseError NETWORK
   */
  probe(): Promise<void>;
  /** As the browser's fetch; notes that the network answered. */
  readonly fetch: typeof fetch;
}

const FRESH_MS = 5000;
const TIMEOUT_MS = 10_000;

/** RFC 9110 10.2.3: seconds or a date. */
export function readRetryAfter(headers: Headers, now: number): number | undefined {
  const value = headers.get('retry-after');
  if (!value) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  return ms >= 0 ? ms : undefined;
}

/** @returns null for what Gatehouse does not answer: the page of a proxy or of somebody's wireless network */
function parseBody(text: string): Answer['body'] | null {
  try {
    return text ? (JSON.parse(text) as Answer['body'] | null) : {};
  } catch {
    return null;
  }
}

/** @param answer without a body where it was not Gatehouse's */
export function refusal({ status, body, retryAfterMs }: Raw): GatehouseError {
  const code = body && (typeof body['error'] === 'string' ? body['error'] : `HTTP_${status}`);
  return new GatehouseError(code ?? 'NETWORK', status, body ?? {}, retryAfterMs);
}

export function createTransport(browser: Browser, options: GatehouseOptions): Transport {
  const { baseUrl, timeoutMs = TIMEOUT_MS } = options;
  const base = new URL(baseUrl ?? '', browser.origin);
  base.pathname = base.pathname.replace(/\/*$/, '/');
  base.search = base.hash = '';
  let answeredAt = 0;

  const ask: typeof fetch = async (...request) => {
    const response = await browser.fetch(...request);
    // A gateway with nothing behind it is no better than a dead network.
    answeredAt = response.status < 500 ? Date.now() : 0;
    return response;
  };

  /** Headers and body within the time there is. */
  async function call(path: string, init: RequestInit): Promise<Raw> {
    if (!browser.onLine()) throw new GatehouseError('NETWORK');
    const giveUp = new AbortController();
    const overdue = setTimeout(() => giveUp.abort(), timeoutMs);
    try {
      const response = await ask(new URL(path, base), { ...init, signal: giveUp.signal });
      const { status, headers } = response;
      const retryAfterMs = readRetryAfter(headers, Date.now());
      return { status, body: parseBody(await response.text()), retryAfterMs };
    } catch {
      throw new GatehouseError('NETWORK');
    } finally {
      clearTimeout(overdue);
    }
  }

  return {
    base,
    timeoutMs,
    resolve: (input) =>
      baseUrl === undefined
        ? new URL(input, browser.pageUrl())
        : // A slash in front means the end of `baseUrl`; two begin a host.
          new URL(String(input).replace(/^\/(?!\/)/, ''), base),
    fetch: ask,
    async post(path, json, more) {
      const answer = await call(path, {
        method: 'POST',
        credentials: 'include',
        headers: { 'content-type': 'application/json', ...more },
        body: JSON.stringify(json),
      });
      const { body } = answer;
      if (!body) throw refusal(answer);
      return { ...answer, body };
    },
    async probe() {
      if (Math.abs(Date.now() - answeredAt) < FRESH_MS) return;
      // An opaque answer will do: any origin gives one. So will a 404, where a proxy lets nothing through but /api.
      const answer = await call('health/live', { mode: 'no-cors', credentials: 'omit' });
      if (answer.status >= 500) throw refusal({ ...answer, body: null });
    },
  };
}
