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

/**
 * LISTEN and NOTIFY on a connection of their own. Postgres takes one lock for all that notify while they commit, so
 * nothing here notifies within a transaction that does other work: messages are gathered and sent by themselves.
 */
export function createBroadcast(options: BroadcastOptions): Broadcast {
  const hearing = createHearing(options);
  let line: NoticeLine | undefined;
  let waiting = new Set<string>();
  let gathering: NodeJS.Timeout | undefined;
  let echoing: NodeJS.Timeout | undefined;

  const echo = () => void line?.notify(packMessages(options.nodeId, [])[0] ?? '').catch(ignore);

  async function flush(): Promise<void> {
    gathering = undefined;
    const messages = [...waiting];
    if (!line || messages.length === 0) return;
    waiting = new Set();
    try {
      for (const pack of packMessages(options.nodeId, messages)) await line.notify(pack);
    } catch {
      // Sent again once the line is up; beyond the bound they are left out, since nothing is kept for ever.
      for (const message of messages) if (waiting.size < MOST_WAITING) waiting.add(message);
    }
  }

  function flushSoon(): void {
    gathering ??= setTimeout(() => void flush(), GATHER_MS).unref();
  }

  function begin(): void {
    line = openNoticeLine({
      url: options.url,
      channel: CHANNEL,
      onNotice: (payload) => hearing.receive(payload),
      onUp() {
        echo();
        flushSoon();
      },
      onDown: () => hearing.turn(false),
    });
    echoing = setInterval(() => {
      if (!hearing.takeEcho()) hearing.turn(false);
      echo();
    }, options.echoEveryMs ?? ECHO_EVERY_MS).unref();
  }

  return {
    start() {
      if (!line) begin();
    },
    send(message) {
      if (waiting.size >= MOST_WAITING) return;
      waiting.add(message);
      if (line) flushSoon();
    },
    async tell() {
      await (line ? flush() : tellOnce(options, [...waiting]));
    },
    onMessage: (handler) => void hearing.handlers.push(handler),
    isDeaf: () => line !== undefined && !hearing.hears(),
    async close() {
      clearTimeout(gathering);
      clearInterval(echoing);
      await flush();
      await line?.close();
    },
  };
}
