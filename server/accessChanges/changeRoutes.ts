import type { Request, Response } from 'express';
import { z } from 'zod';
import { MINUTE_MS } from '../durations';
import { AppError } from '../errors';
import { content, json } from '../http/answers';
import { admitServiceAgain } from '../http/authenticate';
import { serviceOf } from '../http/request';
import { endpoint, storableText, wholeNumber } from '../http/routeTable';
import { changeMessage } from './changeAnswers';
import { openFeed } from './changeFeed';
import type { ChangeFeed, ChangeMessage } from './changeFeed';
import { ReaderClosed } from './changeReader';
import type { AccessChangeDeps } from './deps';

/** The difference in the rate of two clocks stays small in this time. */
const STREAM_MS = 5 * MINUTE_MS;
/** A stream that has ended and is still not read is cut off after this time. */
const UNREAD_MS = 1000;
/** A guard that does not read gets no more after so many bytes. */
const MOST_UNSENT = 1_000_000;
const MOST_STREAMS = 100;
const LONGEST_WAIT_MS = 20_000;

const cursor = storableText(60).optional().describe('The cursor of the last message');
const streamQuery = z.strictObject({
  cursor,
  heartbeatMs: wholeNumber(1000)
    .pipe(z.number().min(100))
    .default(200)
    .describe('The longest pause between two messages, in milliseconds, 100 to 1000'),
});
const pollQuery = z.strictObject({
  cursor,
  waitMs: wholeNumber(LONGEST_WAIT_MS)
    .default(0)
    .describe('How long to wait for a change, in milliseconds, up to 20000'),
});

/** Reports a node that stops as unavailable, so that the guard asks another one. */
const explain = (error: unknown): unknown =>
  error instanceof ReaderClosed
    ? new AppError('DATABASE_UNAVAILABLE', { detail: 'This node is stopping.', cause: error })
    : error;

/** Whether a service key may have changed by a message. */
const mayName = (message: ChangeMessage, keyId: string): boolean =>
  message.reset === 'everything' ||
  message.changes.some((change) => change.kind === 'service_key' && change.serviceKeyId === keyId);

/** The open streams of this node, by service key. */
function createStreams() {
  const open = new Map<string, Set<() => void>>();
  return {
    /** @throws AppError TOO_MANY_STREAMS */
    add(keyId: string, end: () => void): () => void {
      const own = open.get(keyId) ?? new Set();
      if (own.size >= MOST_STREAMS) throw new AppError('TOO_MANY_STREAMS');
      open.set(keyId, own.add(end));
      return () => {
        own.delete(end);
        if (own.size === 0) open.delete(keyId);
      };
    },
    endAll() {
      for (const own of [...open.values()]) for (const end of [...own]) end();
    },
  };
}

/** Writes one server-sent event. @returns false if the guard reads too slowly */
function sendEvent(res: Response, message: ChangeMessage): boolean {
  res.write(`id: ${message.cursor}\ndata: ${JSON.stringify(message)}\n\n`);
  return res.writableLength <= MOST_UNSENT;
}

const HEADERS = {
  'content-type': 'text/event-stream',
  // A proxy that gathers bytes would make every message old.
  'cache-control': 'no-store, no-transform',
  'x-accel-buffering': 'no',
};

/** Resolves when a stream has ended: after its time, with its key, with the node, or by the guard. */
function followUntil(res: Response, keyEndsInMs: number, onEnd: (end: () => void) => void) {
  return new Promise<void>((resolve) => {
    let cut: NodeJS.Timeout | undefined;
    const end = () => {
      res.end();
      // The rest stays unsent for as long as a guard that is paused does not read.
      cut ??= setTimeout(() => res.destroy(), UNREAD_MS).unref();
    };
    const timer = setTimeout(end, Math.max(0, Math.min(STREAM_MS, keyEndsInMs))).unref();
    onEnd(end);
    res.once('close', () => {
      clearTimeout(timer);
      clearTimeout(cut);
      resolve();
    });
  });
}

type Streams = ReturnType<typeof createStreams>;

/** The service that asks, by its key. */
interface Asker {
  keyId: string;
  /** Checks the key once more; it throws if the key has ended. */
  admitAgain: () => Promise<void>;
}

/** Returns the ids of the keys with which this node accepts access tokens. */
const keysOf = ({ keys }: AccessChangeDeps): string[] => [...keys.verifying.keys()];

/** Returns who sent a request. */
const askerOf = (req: Request): Asker & { expiresAt: Date | null } => {
  const { keyId, expiresAt } = serviceOf(req);
  return { keyId, expiresAt, admitAgain: () => admitServiceAgain(req) };
};

async function stream(
  deps: AccessChangeDeps,
  streams: Streams,
  res: Response,
  asked: Asker & { expiresAt: Date | null; cursor: string | undefined; heartbeatMs: number },
): Promise<void> {
  const receivedAt = performance.now();
  const { keyId, expiresAt } = asked;
  const keyEndsInMs = expiresAt ? expiresAt.getTime() - deps.clock.now().getTime() : STREAM_MS;
  let end = (): void => void res.end();
  const forget = streams.add(keyId, () => end());
  let feed: ChangeFeed | undefined;
  const first: ChangeMessage[] = [];
  let onMessage = (message: ChangeMessage): void => void first.push(message);
  try {
    const { changeReader: reader } = deps;
    const keys = keysOf(deps);
    feed = await openFeed({
      ...{ reader, ...asked, receivedAt, keys },
      onMessage: (one) => onMessage(one),
    });
    // From here on a change of the key is among the messages. One from before is seen by this check.
    await asked.admitAgain();
    if (res.destroyed) return;
    res.writeHead(200, HEADERS);
    onMessage = (message) => {
      // A write after the end would be an error that nobody catches.
      if (res.writableEnded) return;
      if (!sendEvent(res, message)) res.destroy();
      else if (mayName(message, keyId)) end();
    };
    deps.metrics.accessStreams.inc();
    const over = followUntil(res, keyEndsInMs, (stop) => (end = stop));
    for (const message of first) onMessage(message);
    if (deps.drain.begun()) end();
    await over;
    deps.metrics.accessStreams.dec();
  } catch (error) {
    throw explain(error);
  } finally {
    feed?.close();
    forget();
  }
}

/** Returns the first message that has something to say, or the last one when the time is over. */
async function waitForChange(
  deps: AccessChangeDeps,
  streams: Streams,
  res: Response,
  { keyId, admitAgain, cursor: from, waitMs }: z.output<typeof pollQuery> & Asker,
): Promise<ChangeMessage> {
  const receivedAt = performance.now();
  const { changeReader: reader } = deps;
  let newest: ChangeMessage | undefined;
  let feed: ChangeFeed | undefined;
  let answer: (message: ChangeMessage) => void = () => undefined;
  const answered = new Promise<ChangeMessage>((resolve) => (answer = resolve));
  const onMessage = (message: ChangeMessage) => {
    // The first message with changes is the answer: a later cursor would leave its changes out.
    newest = message;
    if (message.changes.length > 0 || message.reset !== undefined) answer(message);
  };
  const giveUp = () => newest && answer(newest);
  const forget = streams.add(keyId, giveUp);
  let timer: NodeJS.Timeout | undefined;
  try {
    const keys = keysOf(deps);
    feed = await openFeed({ reader, cursor: from, receivedAt, heartbeatMs: 100, keys, onMessage });
    await admitAgain();
    timer = setTimeout(giveUp, deps.drain.begun() ? 0 : waitMs);
    res.once('close', giveUp);
    return await answered;
  } catch (error) {
    throw explain(error);
  } finally {
    clearTimeout(timer);
    feed?.close();
    forget();
  }
}

/** The routes by which guards learn what has changed; the route table holds the scope. */
export function changeRoutes(deps: AccessChangeDeps) {
  const streams = createStreams();
  deps.drain.onBegin(() => streams.endAll());
  return {
    accessChangeStream: endpoint({
      summary: 'What has changed about sessions and rights, as server-sent events',
      query: streamQuery,
      responses: { 200: content('A stream of `AccessChanges`', ['text/event-stream']) },
      errors: ['TOO_MANY_STREAMS'],
      handle(req, res, { query }) {
        const { cursor: from, heartbeatMs } = query;
        return stream(deps, streams, res, { ...askerOf(req), cursor: from, heartbeatMs });
      },
    }),
    accessChanges: endpoint({
      summary: 'What has changed about sessions and rights since a cursor',
      query: pollQuery,
      responses: { 200: json('The changes', changeMessage) },
      errors: ['TOO_MANY_STREAMS'],
      async handle(req, res, { query }) {
        res.json(await waitForChange(deps, streams, res, { ...query, ...askerOf(req) }));
      },
    }),
  };
}
