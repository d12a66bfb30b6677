import { findRoute } from './databaseRoute';
import { notifyOnce, openNoticeLine } from './noticeLine';
import type { NoticeLine } from './noticeLine';
import { packMessages, unpackMessages } from './packMessages';

/** Tells the nodes on one database of what they must not keep any longer. */
export interface Broadcast {
  /** Begins to listen, and goes on trying where it cannot. */
  start(): void;
  /** Sends soon, together with others; it waits for nobody and nobody waits for it. */
  send(message: string): void;
  /** Sends what waits at once, from a process that does not listen: an operator's command. It cannot fail. */
  tell(): Promise<void>;
  /** @param handler told each message of another node, or null where some may have been missed */
  onMessage(handler: (message: string | null) => void): void;
  /** It was begun and does not work: a word sent to ourselves did not come back. Some poolers swallow them all. */
  isDeaf(): boolean;
  close(): Promise<void>;
}

interface BroadcastOptions {
  url: string;
  /** Tells this node's own messages from others'. */
  nodeId: string;
  /** Notifies over another connection than the one that listens: an echo over the same one would prove nothing. */
  say: (channel: string, payload: string) => Promise<unknown>;
  /** Told when listening begins to work or ceases to. */
  onChange: (hears: boolean) => void;
  /** How often the line is tried, in milliseconds. */
  echoEveryMs?: number;
}

/** On which nodes tell each other what to forget. */
export const CHANNEL = 'gatehouse_forget';
const MOST_WAITING = 5000;
const GATHER_MS = 20;
const ECHO_EVERY_MS = 15_000;

const ignore = () => undefined;

/** Whether our own words come back; whoever turns from deaf to hearing, or back, may have missed some. */
function createHearing(options: BroadcastOptions) {
  const handlers: ((message: string | null) => void)[] = [];
  let hears = false;
  let echoed = false;
  const turn = (to: boolean) => {
    if (hears === to) return;
    hears = to;
    options.onChange(to);
    for (const handler of handlers) handler(null);
  };
  return {
    handlers,
    hears: () => hears,
    turn,
    receive(payload: string): void {
      const [sender, ...messages] = unpackMessages(payload);
      if (sender === options.nodeId) {
        echoed = true;
        turn(true);
      } else for (const message of messages) for (const handler of handlers) handler(message);
    },
    /** Since it was last asked. */
    takeEcho(): boolean {
      const had = echoed;
      echoed = false;
      return had;
    },
  };
}

async function tellOnce({ url, nodeId }: BroadcastOptions, messages: string[]): Promise<void> {
  if (messages.length === 0) return;
  await notifyOnce({ url, channel: CHANNEL }, packMessages(nodeId, messages)).catch(ignore);
}

/** Gathers messages and sends them together; what could not be sent waits for the next attempt. */
function createOutbox(nodeId: string, say: (payload: string) => Promise<unknown>) {
  let waiting = new Set<string>();
  let gathering: NodeJS.Timeout | undefined;

  async function flush(): Promise<void> {
    clearTimeout(gathering);
    gathering = undefined;
    const messages = [...waiting];
    if (messages.length === 0) return;
    waiting = new Set();
    try {
      for (const pack of packMessages(nodeId, messages)) await say(pack);
    } catch {
      // Beyond the bound they are left out, since nothing is kept for ever.
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

/** LISTEN belongs to a session; behind a pooler in transaction mode no session is a node's own. */
async function canListen(url: string): Promise<boolean> {
  const route = await findRoute(url).catch(() => undefined);
  return route?.mode !== 'transaction';
}

/**
 * LISTEN on a connection of its own, NOTIFY on another. Postgres takes one lock for all that notify while they commit, so
 * nothing here notifies within a transaction that does other work: messages are gathered and sent by themselves.
 */
export function createBroadcast(options: BroadcastOptions): Broadcast {
  const hearing = createHearing(options);
  let line: NoticeLine | undefined;
  let echoing: NodeJS.Timeout | undefined;
  let begun = false;
  let closed = false;

  const say = (payload: string) => options.say(CHANNEL, payload);
  const outbox = createOutbox(options.nodeId, say);
  const echo = () => void say(packMessages(options.nodeId, [])[0] ?? '').catch(ignore);

  async function listen(): Promise<void> {
    if (!(await canListen(options.url)) || closed) return;
    line = openNoticeLine({
      url: options.url,
      channel: CHANNEL,
      onNotice: (payload) => hearing.receive(payload),
      onUp() {
        echo();
        outbox.flushSoon();
      },
      onDown: () => hearing.turn(false),
    });
  }

  function begin(): void {
    begun = true;
    void listen();
    echoing = setInterval(() => {
      if (!hearing.takeEcho()) hearing.turn(false);
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
    async tell() {
      await (begun ? outbox.flush() : tellOnce(options, outbox.waiting()));
    },
    onMessage: (handler) => void hearing.handlers.push(handler),
    isDeaf: () => begun && !hearing.hears(),
    async close() {
      closed = true;
      clearInterval(echoing);
      if (begun) await outbox.flush();
      await line?.close();
    },
  };
}
