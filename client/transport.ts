import type { Browser } from './browser';
import type { GatehouseOptions } from './contract';
import { GatehouseError } from './contract';

/** An answer of Gatehouse's own routes. */
export interface Answer {
  status: number;
  body: Record<string, unknown>;
  retryAfterMs: number | undefined;
}

export interface Transport {
  base: URL;
  /** @throws GatehouseError NETWORK where no whole answer came in time */
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

export const refusal = ({ status, body, retryAfterMs }: Answer): GatehouseError =>
  new GatehouseError(
    typeof body['error'] === 'string' ? body['error'] : `HTTP_${status}`,
    status,
    body,
    retryAfterMs,
  );

export function createTransport(browser: Browser, options: GatehouseOptions): Transport {
  const base = new URL(options.baseUrl ?? browser.origin);
  let answeredAt = 0;

  const ask: typeof fetch = async (...request) => {
    const response = await browser.fetch(...request);
    answeredAt = Date.now();
    return response;
  };

  /** Headers and body within the time there is. */
  async function call<T>(path: string, init: RequestInit, read: (from: Response) => Promise<T>) {
    if (!browser.onLine()) throw new GatehouseError('NETWORK');
    const giveUp = new AbortController();
    const overdue = setTimeout(() => giveUp.abort(), options.timeoutMs ?? TIMEOUT_MS);
    try {
      return await read(await ask(new URL(path, base), { ...init, signal: giveUp.signal }));
    } catch {
      throw new GatehouseError('NETWORK');
    } finally {
      clearTimeout(overdue);
    }
  }

  return {
    base,
    fetch: ask,
    post: (path, body, headers) =>
      call(
        path,
        {
          method: 'POST',
          credentials: 'include',
          headers: { 'content-type': 'application/json', ...headers },
          body: JSON.stringify(body),
        },
        async (response) => {
          const text = await response.text();
          const read = (text ? JSON.parse(text) : {}) as Answer['body'];
          const retryAfterMs = readRetryAfter(response.headers, Date.now());
          return { status: response.status, body: read, retryAfterMs };
        },
      ),
    async probe() {
      if (Date.now() - answeredAt < FRESH_MS) return;
      // An opaque answer will do: any origin gives one.
      const init: RequestInit = { mode: 'no-cors', credentials: 'omit' };
      await call('/health/live', init, () => Promise.resolve());
    },
  };
}
