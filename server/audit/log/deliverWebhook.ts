import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { CheckpointWebhook } from '../../checkpointSettings';
import { DeliveryError } from './deliverSink';
import type { Sink } from './deliverSink';
import type { NumberedNote } from './deliverStore';

/** For one delivery, however its steps are spread. */
export const WEBHOOK_TIMEOUT_MS = 10_000;
/** An answer's body is of no interest; a longer one is hung up on. */
const MOST_ANSWER_BYTES = 65_536;
const MOST_RETRY_AFTER_MS = 3_600_000;

/** RFC 9110, 10.2.3: seconds, or a date. */
function readRetryAfter(value: string | undefined): number {
  if (value === undefined) return 0;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isNaN(ms) ? 0 : Math.min(Math.max(0, ms), MOST_RETRY_AFTER_MS);
}

const ANSWER_MS = 1000;

/** Lets the connection be used again, if the rest of the answer is short and comes soon. */
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

/** Nothing follows a redirect: whom the receiver names is not whom the operator has chosen. */
function judge(response: IncomingMessage): DeliveryError | undefined {
  const status = response.statusCode ?? 0;
  if (status >= 200 && status < 300) return undefined;
  return new DeliveryError(`HTTP ${status}`, readRetryAfter(response.headers['retry-after']));
}

interface Connection {
  readonly webhook: CheckpointWebhook;
  readonly agent: HttpAgent | HttpsAgent;
}

/** Whether a connection that was kept open turned out to be closed before anything was answered on it. */
class StaleConnection extends Error {}

function post(
  { webhook, agent }: Connection,
  { id, note }: NumberedNote,
  signal: AbortSignal,
): Promise<void> {
  const headers = {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(note),
    'gatehouse-checkpoint-id': String(id),
    'user-agent': 'gatehouse',
    ...(webhook.token === undefined ? {} : { authorization: `Bearer ${webhook.token}` }),
  };
  const send = webhook.url.startsWith('https:') ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const options = { method: 'POST', agent, headers, signal };
    const sent = send(webhook.url, options, (response) => {
      drain(response);
      const error = judge(response);
      if (error) reject(error);
      else resolve();
    });
    sent.on('error', (error: NodeJS.ErrnoException) => {
      if (sent.reusedSocket && error.code === 'ECONNRESET') return reject(new StaleConnection());
      reject(new DeliveryError(signal.aborted ? 'TIMEOUT' : (error.code ?? 'UNKNOWN')));
    });
    sent.end(note);
  });
}

/** Hands notes to a receiver, one after the other, each once the one before was accepted. */
export function openWebhookSink(
  webhook: CheckpointWebhook,
  timeoutMs: number = WEBHOOK_TIMEOUT_MS,
): Sink {
  const agent = webhook.url.startsWith('https:')
    ? new HttpsAgent({ keepAlive: true })
    : new HttpAgent({ keepAlive: true });
  const connection = { webhook, agent };

  async function deliver(checkpoint: NumberedNote, signal: AbortSignal): Promise<void> {
    try {
      await post(connection, checkpoint, signal);
    } catch (error) {
      if (!(error instanceof StaleConnection)) throw error;
      agent.destroy();
      await post(connection, checkpoint, signal);
    }
  }

  async function deliverInTime(checkpoint: NumberedNote, ending: AbortSignal): Promise<void> {
    const broken = new AbortController();
    const breakOff = () => broken.abort();
    if (ending.aborted) breakOff();
    const overdue = setTimeout(breakOff, timeoutMs);
    ending.addEventListener('abort', breakOff);
    try {
      await deliver(checkpoint, broken.signal);
    } finally {
      clearTimeout(overdue);
      ending.removeEventListener('abort', breakOff);
    }
  }

  return {
    kind: 'webhook',
    name: webhook.sink,
    atOnce: 1,
    async send(checkpoints, ending) {
      for (const checkpoint of checkpoints) await deliverInTime(checkpoint, ending);
    },
    close: () => agent.destroy(),
  };
}
