import { setTimeout as delay } from 'node:timers/promises';
import type { Clocks } from './guardContract';
import type { Gatehouse } from './gatehouseCalls';
import { readText } from './gatehouseCalls';
import type { Change, Knowledge } from './knowledge';
import type { Outages } from './outages';
import { readBody } from './readBody';
import { Unavailable, refusalOf } from './unavailable';

/** A message of the stream, or the answer to a poll. */
interface Message {
  cursor: string;
  elapsedMs: number | null;
  reset?: string;
  /** The keys with which the node accepts tokens. */
  keys: string[];
  changes: Change[];
  oldestMs?: number;
}

export interface ChangeLine {
  /** How the changes arrive at the moment. */
  state(): 'stream' | 'poll' | 'down';
  close(): Promise<void>;
}

interface LineOptions {
  gatehouse: Pick<Gatehouse, 'open'>;
  knowledge: Pick<Knowledge, 'forget' | 'forgetAll' | 'listKeys' | 'cover' | 'clockEpoch'>;
  clocks: Clocks;
  maxStalenessMs: number;
  timeoutMs: number;
  onReset: () => void;
  /** Called with the time from writing the oldest change of a message until it was applied. */
  onLatency: (ms: number) => void;
  outages: Outages;
}

const MOST_MESSAGE = 4_000_000;
const LONGEST_PAUSE_MS = 2000;
/** After so many streams that stayed silent, a proxy may be gathering bytes, and polls work better. */
const SILENT_STREAMS = 2;
const AFTER_END_MS = 50;
const POLL_FOR_MS = 60_000;

/** When a request for changes was sent. */
interface Opened {
  readonly sentAt: number;
  readonly clockEpoch: number;
}

const isMessage = (value: unknown): value is Message =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as Message).cursor === 'string' &&
  Array.isArray((value as Message).keys) &&
  Array.isArray((value as Message).changes);

/** Reads server-sent events (HTML living standard, 9.2), of which Gatehouse uses one `data` line each. */
async function* readEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<Message> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > MOST_MESSAGE) throw new Unavailable('a message is too long');
    const events = text.split('\n\n');
    text = events.pop() ?? '';
    for (const event of events) {
      const data = event.split('\n').find((line) => line.startsWith('data:'));
      if (data === undefined) continue;
      const message: unknown = JSON.parse(data.slice(5));
      if (!isMessage(message)) throw new Unavailable('a message has another form');
      yield message;
    }
  }
}

/** Reads the changes for as long as the guard is open. It begins at once. */
export function openChangeLine(options: LineOptions): ChangeLine {
  const { gatehouse, knowledge, clocks, maxStalenessMs } = options;
  const heartbeatMs = Math.min(1000, Math.max(100, Math.round(maxStalenessMs / 5)));
  const silenceMs = Math.max(3 * heartbeatMs, Math.round(maxStalenessMs / 2));
  const closing = new AbortController();
  let cursor: string | undefined;
  let state: 'stream' | 'poll' | 'down' = 'down';
  let failures = 0;
  let silent = 0;
  let streamAgainAt = -Infinity;

  /** Applies a message. The moment that it vouches for counts only after its changes. */
  function apply(message: Message, { sentAt, clockEpoch }: Opened): void {
    // The times of a request from before a suspension mean nothing any more.
    if (knowledge.clockEpoch() !== clockEpoch) throw new Unavailable('the clock has jumped');
    if (message.reset !== undefined) {
      knowledge.forgetAll();
      options.onReset();
    }
    for (const change of message.changes) knowledge.forget(change);
    knowledge.listKeys(message.keys);
    cursor = message.cursor;
    failures = 0;
    options.outages.worked('changes');
    if (message.elapsedMs === null) return;
    const began = sentAt + message.elapsedMs;
    if (message.oldestMs !== undefined) {
      options.onLatency(message.oldestMs + Math.max(0, clocks.monotonic() - began));
    }
    knowledge.cover(began);
  }

  const opening = (): Opened => ({
    clockEpoch: knowledge.clockEpoch(),
    sentAt: clocks.monotonic(),
  });
  const query = (more: string) =>
    `api/access-changes${more}${cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`}`;

  async function open(path: string, signal: AbortSignal): Promise<Response> {
    const res = await gatehouse.open(path, signal);
    if (res.status === 200 && res.body) return res;
    await res.body?.cancel();
    throw refusalOf('api/access-changes', res.status);
  }

  /** Reads one stream until it ends or falls silent. */
  async function readStream(): Promise<void> {
    const stop = new AbortController();
    const end = () => stop.abort(new Unavailable('the stream is silent'));
    closing.signal.addEventListener('abort', end);
    let heard = 0;
    let watch = setTimeout(end, options.timeoutMs);
    try {
      const opened = opening();
      const res = await open(query(`/stream?heartbeatMs=${heartbeatMs}`), stop.signal);
      for await (const message of readEvents(readBody(res, stop.signal))) {
        clearTimeout(watch);
        watch = setTimeout(end, silenceMs);
        apply(message, opened);
        state = 'stream';
        silent = 0;
        heard += 1;
      }
    } catch (error) {
      if (stop.signal.aborted && heard === 0) silent += 1;
      throw error;
    } finally {
      clearTimeout(watch);
      closing.signal.removeEventListener('abort', end);
      stop.abort();
    }
  }

  async function poll(): Promise<void> {
    const waitMs = Math.round(maxStalenessMs / 2);
    const limit = AbortSignal.timeout(options.timeoutMs + waitMs);
    const opened = opening();
    const path = query(`?waitMs=${cursor === undefined ? 0 : waitMs}`);
    const signal = AbortSignal.any([limit, closing.signal]);
    const message = JSON.parse(await readText(await open(path, signal), signal)) as unknown;
    if (!isMessage(message)) throw new Unavailable('a message has another form');
    apply(message, opened);
    state = 'poll';
  }

  async function run(): Promise<void> {
    while (!closing.signal.aborted) {
      try {
        if (clocks.monotonic() < streamAgainAt) await poll();
        else await readStream();
        // A node that stops ends each stream at once.
        if (state === 'stream') await delay(AFTER_END_MS);
      } catch (error) {
        options.outages.failed('changes', error);
        state = 'down';
        failures += 1;
        if (silent >= SILENT_STREAMS) {
          silent = 0;
          streamAgainAt = clocks.monotonic() + POLL_FOR_MS;
        }
        const pauseMs = Math.min(LONGEST_PAUSE_MS, 20 * 2 ** failures) * (0.5 + Math.random() / 2);
        await delay(pauseMs, undefined, { signal: closing.signal }).catch(() => undefined);
      }
    }
  }

  const running = run();
  return {
    state: () => state,
    close() {
      closing.abort();
      return running;
    },
  };
}
