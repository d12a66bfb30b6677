import type { Chain } from './chain';
import { newest, parseStored, toEnded, toStored } from './chain';
import { GatehouseError } from './contract';
import type { SessionStorage, SignedOutReason } from './contract';
import { orAborted } from './orAborted';
import type { Message, Tabs } from './tabs';

/** Holds the session of this tab, and keeps it the same as in storage and in the other tabs. */
export interface Vault {
  readonly chain: Chain | undefined;
  /**
   * Returns a signal that is aborted when the session ends. It is already aborted for a session
   * that has ended.
   */
  ending(session: string): AbortSignal;
  /**
   * Keeps a chain in memory, then in storage, and then informs the other tabs. Resolves when all of
   * that is done.
   */
  store(chain: Chain): Promise<void>;
  /** Takes in a chain from storage or from another tab. */
  learn(chain: Chain | undefined): void;
  /** Reads storage again, because this tab may have slept. */
  reload(): Promise<void>;
  /**
   * Drops a session in this tab and in all others. A session that has ended never comes back.
   * @param report the work that remains after the person's own sign-out. For a session with
   *   a cookie, storage records it until {@link Vault.markReported} is called, because the page may
   *   be gone before the server is informed
   */
  end(
    reason: SignedOutReason,
    session: string | undefined,
    report?: () => Promise<unknown>,
  ): Promise<void>;
  /**
   * Returns the session with a cookie that ended here and whose end the server must still be
   * informed of.
   */
  unreported(): Promise<string | undefined>;
  /** Records whether the server was informed. @param done whether it was */
  markReported(session: string, done: boolean): Promise<void>;
  /** Replaces the current session, if there is one, by a new one. */
  replace(chain: Chain): Promise<void>;
  /** Handles the message that another tab ended the session. */
  onEnd(message: Extract<Message, { kind: 'ended' }>): void;
}

const STORAGE_MS = 2000;

/** Wraps the storage. If it is full, forbidden or stuck, the session goes on in memory. */
function forgiving(storage: SessionStorage | undefined) {
  const attempt = <T>(work: () => T | Promise<T>): Promise<T | undefined> =>
    orAborted(AbortSignal.timeout(STORAGE_MS), (async () => work())()).catch(() => undefined);
  return {
    save: async (value: string | null) => attempt(() => storage?.save(value)),
    load: async () => parseStored(await attempt(() => storage?.load())),
  };
}

interface Events {
  changed(): void;
  ended(reason: SignedOutReason): void;
}

/** Holds the session in memory. A session that has ended never comes back. */
function holdChain(events: Events) {
  const over = new Set<string>();
  let chain: Chain | undefined;
  let ending = new AbortController();

  /** @returns whether it was this tab's session */
  function drop(session: string | undefined): session is string {
    if (session) over.add(session);
    if (!session || chain?.session !== session) return false;
    chain = undefined;
    ending.abort(new GatehouseError('SIGNED_OUT'));
    ending = new AbortController();
    return true;
  }

  return {
    get chain() {
      return chain;
    },
    isOver: (session: string) => over.has(session),
    ending: (session: string): AbortSignal =>
      chain?.session === session
        ? ending.signal
        : AbortSignal.abort(new GatehouseError('SIGNED_OUT')),
    drop,
    put: (next: Chain) => void (chain = next),
    learn: (received: Chain | undefined): void => {
      if (!received || over.has(received.session)) return;
      const next = newest(chain, received);
      // All tabs share one session: somebody signed in elsewhere, later than here.
      const replaced = chain?.session !== next.session && drop(chain?.session);
      chain = next;
      events.changed();
      if (replaced) events.ended('signed_out');
    },
  };
}

/**
 * Remembers which sign-out the server has not received yet: in storage, or only in memory if
 * storage keeps nothing.
 */
function followSignOuts(
  held: ReturnType<typeof holdChain>,
  kept: ReturnType<typeof forgiving>,
): Pick<Vault, 'unreported' | 'markReported'> {
  let unreported: string | undefined;
  return {
    unreported: async () => (held.chain ? undefined : ((await kept.load()).ended ?? unreported)),
    async markReported(session, done) {
      const other = (await kept.load()).chain?.session;
      if (held.chain || (other && !held.isOver(other))) return;
      unreported = done ? undefined : session;
      // Another tab may have stored the session again after this tab ended it, and before it
      // received the message.
      await kept.save(done ? null : toEnded(session));
    },
  };
}

export function createVault(
  tabs: Pick<Tabs, 'publish'>,
  storage: SessionStorage | undefined,
  events: Events,
): Vault {
  const kept = forgiving(storage);
  const held = holdChain(events);
  const { drop, learn, isOver } = held;
  const signOuts = followSignOuts(held, kept);
  const publishEnd = (session: string, reason: SignedOutReason) =>
    tabs.publish({ kind: 'ended', session, reason });

  async function store(next: Chain): Promise<void> {
    if (isOver(next.session)) return;
    held.put(next);
    await kept.save(toStored(next));
    if (!isOver(next.session)) await tabs.publish({ kind: 'chain', chain: next });
    events.changed();
  }

  return {
    get chain() {
      return held.chain;
    },
    ending: held.ending,
    learn,
    store,
    async replace(next) {
      const session = held.chain?.session;
      // Sent first, so that no tab keeps the old session because it looks newer by a clock that was
      // set back.
      if (drop(session)) void publishEnd(session, 'signed_out');
      await store(next);
      if (session) events.ended('signed_out');
    },
    async reload() {
      const { chain, ended } = await kept.load();
      // A tab that did not receive the message of the sign-out would keep the cookie alive.
      if (drop(ended)) events.ended('signed_out');
      learn(chain);
    },
    ...signOuts,
    async end(reason, session, report) {
      const byCookie = report && !held.chain?.refreshToken;
      if (!drop(session)) return;
      await (byCookie ? signOuts.markReported(session, false) : kept.save(null));
      const published = publishEnd(session, reason);
      await report?.();
      await published;
      // This comes last, because it may leave the page.
      events.ended(reason);
    },
    onEnd: ({ session, reason }) => void (drop(session) && events.ended(reason)),
  };
}
