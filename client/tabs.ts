import type { Browser } from './browser';
import type { Chain } from './chain';
import { randomId } from './chain';
import type { SignedOutReason } from './contract';

/** The messages between tabs. */
export type Message =
  | { kind: 'ask'; asker: string }
  | { kind: 'none'; asker: string }
  /** Has no content. When it arrives, all messages that were sent before it have arrived too. */
  | { kind: 'fence' }
  | { kind: 'chain'; chain: Chain }
  | { kind: 'ended'; session: string; reason: SignedOutReason }
  | { kind: 'dismissed' }
  | { kind: 'wait'; until: number };

export interface Tabs {
  /**
   * Resolves when the message is on its way to every tab, so that it still arrives if this tab is
   * closed.
   */
  publish(message: Message): Promise<void>;
  /**
   * Runs work in one tab at a time. A tab that dies releases the lock.
   * @param patience once it is aborted, the work runs without waiting for the others
   */
  alone<T>(work: () => Promise<T>, patience?: AbortSignal): Promise<T>;
  /** Returns the number of other tabs, or undefined if it cannot be determined. */
  countOthers(): Promise<number | undefined>;
  close(): void;
}

const ECHO_MS = 1000;

/**
 * Sends on one channel object and listens on another, so that the tab receives its own messages. A
 * received message is on its way to every other tab, too.
 */
function connectChannel(browser: Browser, name: string, onMessage: (message: Message) => void) {
  const outgoing = browser.openChannel?.(name);
  const incoming = browser.openChannel?.(name);
  const me = randomId();
  const echoes = new Map<number, () => void>();
  let count = 0;
  let closed = false;
  incoming?.addEventListener('message', ({ data }) => {
    const { from, id, message } = data as { from: string; id: number; message: Message };
    if (from === me) echoes.get(id)?.();
    else onMessage(message);
  });
  return {
    publish(message: Message): Promise<void> {
      if (!outgoing || closed) return Promise.resolve();
      const id = ++count;
      return new Promise((resolve) => {
        const done = () => {
          clearTimeout(overdue);
          echoes.delete(id);
          resolve();
        };
        const overdue = setTimeout(done, ECHO_MS);
        echoes.set(id, done);
        outgoing.postMessage({ from: me, id, message });
      });
    },
    close() {
      closed = true;
      outgoing?.close();
      incoming?.close();
      for (const done of echoes.values()) done();
    },
  };
}

/** Connects the tabs of this origin that use the same Gatehouse. */
export function joinTabs(
  browser: Browser,
  name: string,
  onMessage: (message: Message) => void,
): Tabs {
  const { locks } = browser;
  const channel = connectChannel(browser, name, onMessage);
  const leaving = new AbortController();
  const presence = `${name}:tab`;
  // The tab holds this shared lock for its whole life, so that other tabs can count how many there
  // are to ask.
  void locks
    ?.request(
      presence,
      { mode: 'shared' },
      () => new Promise<void>((leave) => leaving.signal.addEventListener('abort', () => leave())),
    )
    .catch(() => undefined);
  return {
    publish: (message) => channel.publish(message),
    async alone(work, signal) {
      let done: ReturnType<typeof work> | undefined;
      // On a page that may not store anything, locks exist but every request for one fails.
      await locks?.request(name, { signal }, () => (done = work())).catch(() => undefined);
      return done ?? work();
    },
    async countOthers() {
      if (!locks) return undefined;
      const { held } = await locks.query();
      return (held ?? []).filter((lock) => lock.name === presence).length - 1;
    },
    close() {
      leaving.abort();
      channel.close();
    },
  };
}
