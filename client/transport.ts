import type { Browser } from './browser';
import type { GatehouseOptions } from './contract';
import { GatehouseError } from './contract';

/** An answer of one of Gatehouse's routes. */
export interface Answer {
  status: number;
  body: Readonly<Record<string, unknown>>;
  retryAfterMs?: number | undefined;
}

type Raw = Omit<Answer, 'body'> & { body: Answer['body'] | null };

export interface Transport {
  /** The URL of Gatehouse. Its path ends with a slash. */
  base: URL;
  /**
   * Returns the URL of a request of the application. It is relative to `baseUrl` if that is set, or
   * else to the page, as for the browser's fetch.
   */
  resolve(input: string | URL): URL;
  /**
   * Returns whether requests to a URL get the bearer token: it is below `base` or one of `apiUrls`.
   */
  trusts(url: URL): boolean;
  /**
   * Sends a POST request.
   * @param path relative to `base`, without a slash in front
   * @throws GatehouseError NETWORK if no complete answer arrived in time, or, with a status, if
   *   something other than Gatehouse answered
   */
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Answer>;
  /**
   * Checks that the network answered recently, so that a token is not sent into a dead network.
   * @throws GatehouseError NETWORK
   */
  probe(): Promise<void>;
  /** The browser's fetch, which also records when the network answered. */
  readonly fetch: typeof fetch;
}

const FRESH_MS = 5000;
const TIMEOUT_MS = 10_000;

/** Reads Retry-After (RFC 9110 10.2.3), which holds seconds or a date. Returns milliseconds. */
export function readRetryAfter(headers: Headers, now: number): number | undefined {
  const value = headers.get('retry-after');
  if (!value) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  return ms >= 0 ? ms : undefined;
}

/**
 * @returns null if the answer is not from Gatehouse, for example the login page of a wireless
 *   network
 */
function parseBody(text: string): Answer['body'] | null {
  try {
    return text ? (JSON.parse(text) as Answer['body'] | null) : {};
  } catch {
    return null;
  }
}

/** @param answer has a null body if it did not come from Gatehouse */
export function refusal({ status, body, retryAfterMs }: Raw): GatehouseError {
  const code = body && (typeof body['error'] === 'string' ? body['error'] : `HTTP_${status}`);
  return new GatehouseError(code ?? 'NETWORK', status, body ?? {}, retryAfterMs);
}

/** The slash at the end keeps a neighbour whose name begins alike apart. */
function toFolder(url: string, origin: string): URL {
  const folder = new URL(url, origin);
  folder.pathname = folder.pathname.replace(/\/*$/, '/');
  folder.search = folder.hash = '';
  return folder;
}

export function createTransport(browser: Browser, options: GatehouseOptions): Transport {
  const { baseUrl = '', apiUrls = [], timeoutMs = TIMEOUT_MS } = options;
  const base = toFolder(baseUrl, browser.origin);
  const trusted = [base, ...apiUrls.map((url) => toFolder(url, browser.origin))];
  let answeredAt = 0;

  const ask: typeof fetch = async (...request) => {
    const response = await browser.fetch(...request);
    // A gateway without a working backend is no better than a dead network.
    answeredAt = response.status < 500 ? Date.now() : 0;
    return response;
  };

  /** Sends a request. The time limit covers both headers and body. */
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
    trusts: ({ href }) => trusted.some((folder) => href.startsWith(folder.href)),
    resolve: (input) =>
      options.baseUrl === undefined
        ? new URL(input, browser.pageUrl())
        : // A leading slash means the path below `baseUrl`; two slashes begin a host.
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
      // An opaque answer is enough, and every origin gives one. A 404 is enough too, because a
      // proxy may let only /api through.
      const answer = await call('health/live', { mode: 'no-cors', credentials: 'omit' });
      if (answer.status >= 500) throw refusal({ ...answer, body: null });
    },
  };
}
