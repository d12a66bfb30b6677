import { sql } from 'drizzle-orm';
import { findRoute } from './databaseRoute';
import { notifyOnce, openNoticeLine } from './noticeLine';
import type { NoticeLine } from './noticeLine';
import type { Db } from './index';
import { packMessages, unpackMessages } from './packMessages';

/** Notifies all nodes on one database which values they must drop from memory. */
export interface Broadcast {
  /** Starts to listen, and retries if that fails. */
  start(): void;
  /** Sends a message soon, together with others. It does not block. */
  send(message: string): void;
  /**
   * Sends the waiting messages at once. It is also for a process that does not listen, such as an
   * operator's command. It never throws.
   */
  flush(): Promise<void>;
  /**
   * @param handler called with each message of another node, or with null if some may have been
   *   missed
   */
  onMessage(handler: (message: string | null) => void): void;
  /**
   * Returns true if it was started but does not work: a message to this node itself did not come
   * back. Some poolers drop all notifications.
   */
  isDown(): boolean;
  close(): Promise<void>;
}

interface BroadcastOptions {
  url: string;
  /** Distinguishes this node's own messages from those of others. */
  nodeId: string;
  /**
   * Sends a notification. It must use another connection than the listening one, because an echo on
   * the same connection would prove nothing.
   */
  publish: (channel: string, payload: string) => Promise<unknown>;
  /** Called when listening starts to work or stops working. */
  onChange: (receiving: boolean) => void;
  /** How often the line is tested, in milliseconds. */
  echoEveryMs?: number;
}

/** The channel on which nodes notify each other of values to drop. */
const CHANNEL = 'gatehouse_forget';
const MOST_WAITING = 5000;
const GATHER_MS = 20;
const ECHO_EVERY_MS = 15_000;

const ignore = () => undefined;

/**
 * Tracks whether this node's own messages come back. When that changes in either direction,
 * messages may have been missed.
 */
function createReceiver(options: BroadcastOptions) {
  const handlers: ((message: string | null) => void)[] = [];
  let receiving = false;
  let echoed = false;
  const turn = (to: boolean) => {
    if (receiving === to) return;
    receiving = to;
    options.onChange(to);
    for (const handler of handlers) handler(null);
  };
  return {
    handlers,
    receiving: () => receiving,
    turn,
    receive(payload: string): void {
      const [sender, ...messages] = unpackMessages(payload);
      if (sender === options.nodeId) {
        echoed = true;
        turn(true);
      } else for (const message of messages) for (const handler of handlers) handler(message);
    },
    /** Returns whether an echo came since the last call. */
    takeEcho(): boolean {
      const had = echoed;
      echoed = false;
      return had;
    },
  };
}

async function publishOnce({ url, nodeId }: BroadcastOptions, messages: string[]): Promise<void> {
  if (messages.length === 0) return;
  await notifyOnce({ url, channel: CHANNEL }, packMessages(nodeId, messages)).catch(ignore);
}

/**
 * Collects messages and sends them together. Messages that could not be sent wait for the next
 * attempt.
 */
function createOutbox(nodeId: string, publish: (payload: string) => Promise<unknown>) {
  let waiting = new Set<string>();
  let gathering: NodeJS.Timeout | undefined;

  async function flush(): Promise<void> {
    clearTimeout(gathering);
    gathering = undefined;
    const messages = [...waiting];
    if (messages.length === 0) return;
    waiting = new Set();
    try {
      for (const pack of packMessages(nodeId, messages)) await publish(pack);
    } catch {
      // Messages beyond the limit are dropped, so that the memory stays bounded.
      for (const message of messages) if (waiting.size < MOST_WAITING) waiting.add(message);
    }
  }

  return {
    flush,
    flushSoon(): void {
      gathering ??= setTimeout(() => void flush(), GATHER_MS).unref();
    },
    add(message: string): void {
      if (waiting.size < MOST_WAITING) waiting.add(message);
    },
    waiting: () => [...waiting],
  };
}

/**
 * LISTEN belongs to a session. Behind a pooler in transaction mode, no node has a session of its
 * own.
 */
async function canListen(url: string): Promise<boolean> {
  const route = await findRoute(url).catch(() => undefined);
  return route?.mode !== 'transaction';
}

/**
 * Creates the broadcast, with LISTEN on a connection of its own and NOTIFY on another. Postgres
 * takes one global lock for all transactions that notify while they commit. So this code never
 * notifies within a transaction that does other work; it collects messages and sends them
 * separately.
 */
export function createBroadcast(options: BroadcastOptions): Broadcast {
  const receiver = createReceiver(options);
  let line: NoticeLine | undefined;
  let echoing: NodeJS.Timeout | undefined;
  let begun = false;
  let closed = false;

  const publish = (payload: string) => options.publish(CHANNEL, payload);
  const outbox = createOutbox(options.nodeId, publish);
  const echo = () => void publish(packMessages(options.nodeId, [])[0] ?? '').catch(ignore);

  async function listen(): Promise<void> {
    if (!(await canListen(options.url)) || closed) return;
    line = openNoticeLine({
      url: options.url,
      channel: CHANNEL,
      onNotice: (payload) => receiver.receive(payload),
      onUp() {
        echo();
        outbox.flushSoon();
      },
      onDown: () => receiver.turn(false),
    });
  }

  function begin(): void {
    begun = true;
    void listen();
    echoing = setInterval(() => {
      if (!receiver.takeEcho()) receiver.turn(false);
      echo();
      outbox.flushSoon();
    }, options.echoEveryMs ?? ECHO_EVERY_MS).unref();
  }

  return {
    start() {
      if (!begun) begin();
    },
    send(message) {
      outbox.add(message);
      if (begun) outbox.flushSoon();
    },
    async flush() {
      await (begun ? outbox.flush() : publishOnce(options, outbox.waiting()));
    },
    onMessage: (handler) => void receiver.handlers.push(handler),
    isDown: () => begun && !receiver.receiving(),
    async close() {
      closed = true;
      clearInterval(echoing);
      if (begun) await outbox.flush();
      await line?.close();
    },
  };
}

/**
 * Notifies the serving nodes of values to drop, for a process that does not listen itself. It waits
 * until Postgres has the messages. A node that misses them drops the values after a few seconds.
 */
export async function notifyNodes(
  deps: { db: Db; random: { id(): string } },
  messages: readonly string[],
): Promise<void> {
  for (const pack of packMessages(deps.random.id(), messages)) {
    await deps.db.execute(sql`SELECT pg_notify(${CHANNEL}, ${pack})`);
  }
}
