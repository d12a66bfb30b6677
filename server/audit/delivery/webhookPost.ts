import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Webhook } from '../../config/webhookSettings';
import type { Clock } from '../../context';
import { HOUR_MS, SECOND_MS } from '../../durations';
import { DeliveryError } from './deliverSink';

/** The limit for one whole delivery, in milliseconds. */
const WEBHOOK_TIMEOUT_MS = 10_000;
/** The body of an answer is not used; the connection of a longer one is closed. */
const MOST_ANSWER_BYTES = 65_536;
const MOST_RETRY_AFTER_MS = HOUR_MS;

/** Reads `Retry-After` in milliseconds (RFC 9110, 10.2.3): the header holds seconds or a date. */
function readRetryAfter(value: string | undefined, clock: Clock): number {
  if (value === undefined) return 0;
  const ms = /^\d+$/.test(value)
    ? Number(value) * SECOND_MS
    : Date.parse(value) - clock.now().getTime();
  return Number.isNaN(ms) ? 0 : Math.min(Math.max(0, ms), MOST_RETRY_AFTER_MS);
}

const ANSWER_MS = SECOND_MS;

/** Discards the answer's body. The connection is used again if the rest is short and arrives soon. */
function drain(response: IncomingMessage): void {
  let bytes = 0;
  const overdue = setTimeout(() => response.destroy(), ANSWER_MS).unref();
  response.on('close', () => clearTimeout(overdue));
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MOST_ANSWER_BYTES) response.destroy();
  });
  response.on('error', () => undefined);
}

/**
 * Treats every status but 2xx as a failure. Redirects are not followed: a receiver must not name another receiver
 * that the operator did not choose.
 */
function judge(response: IncomingMessage, clock: Clock): DeliveryError | undefined {
  const status = response.statusCode ?? 0;
  if (status >= 200 && status < 300) return undefined;
  return new DeliveryError(
    `HTTP ${status}`,
    readRetryAfter(response.headers['retry-after'], clock),
  );
}

interface Connection {
  readonly webhook: Webhook;
  readonly clock: Clock;
  /** False for a connection that is used once. */
  readonly agent: HttpAgent | HttpsAgent | false;
}

/** A kept-open connection turned out to be closed before it carried any answer. */
class StaleConnection extends Error {}

/** The content of one request. */
export interface Post {
  readonly type: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

function post(
  { webhook, clock, agent }: Connection,
  sent: Post,
  signal: AbortSignal,
): Promise<void> {
  const headers = {
    'content-type': sent.type,
    'content-length': Buffer.byteLength(sent.body),
    ...sent.headers,
    'user-agent': 'gatehouse',
    ...(webhook.token === undefined ? {} : { authorization: `Bearer ${webhook.token}` }),
  };
  const send = webhook.url.startsWith('https:') ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const options = { method: 'POST', agent, headers, signal };
    const request = send(webhook.url, options, (response) => {
      drain(response);
      const error = judge(response, clock);
      if (error) reject(error);
      else resolve();
    });
    request.on('error', (error: NodeJS.ErrnoException) => {
      if (request.reusedSocket && error.code === 'ECONNRESET') {
        return reject(new StaleConnection());
      }
      reject(new DeliveryError(signal.aborted ? 'TIMEOUT' : (error.code ?? 'UNKNOWN')));
    });
    request.end(sent.body);
  });
}

/** Posts to one receiver over connections that are kept open. */
export interface Poster {
  /**
   * Posts once. Any 2xx status accepts the delivery; the body of the answer is not used.
   * @param ending aborted when the process cannot wait any longer
   * @throws DeliveryError
   */
  post(sent: Post, ending: AbortSignal): Promise<void>;
  close(): void;
}

/**
 * Opens the connections to a receiver.
 * @param clock the clock by which a date in `Retry-After` is read
 * @param timeoutMs the limit for one whole delivery, in milliseconds
 */
export function openPoster(
  webhook: Webhook,
  clock: Clock,
  timeoutMs: number = WEBHOOK_TIMEOUT_MS,
): Poster {
  const agent = webhook.url.startsWith('https:')
    ? new HttpsAgent({ keepAlive: true })
    : new HttpAgent({ keepAlive: true });
  const connection = { webhook, clock, agent };

  async function deliver(sent: Post, signal: AbortSignal): Promise<void> {
    try {
      await post(connection, sent, signal);
    } catch (error) {
      if (!(error instanceof StaleConnection)) throw error;
      await post({ ...connection, agent: false }, sent, signal);
    }
  }

  return {
    async post(sent, ending) {
      const broken = new AbortController();
      const breakOff = () => broken.abort();
      if (ending.aborted) breakOff();
      const overdue = setTimeout(breakOff, timeoutMs);
      ending.addEventListener('abort', breakOff);
      try {
        await deliver(sent, broken.signal);
      } finally {
        clearTimeout(overdue);
        ending.removeEventListener('abort', breakOff);
      }
    },
    close: () => agent.destroy(),
  };
}
