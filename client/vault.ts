import type { Chain } from './chain';
import { newest, parseStored, toEnded, toStored } from './chain';
import { GatehouseError } from './contract';
import type { SessionStorage, SignedOutReason } from './contract';
import { orAborted } from './orAborted';
import type { Message, Tabs } from './tabs';

/** Holds the session of this tab, and keeps it one with storage and the other tabs. */
export interface Vault {
  readonly chain: Chain | undefined;
  /** Aborted when the session ends, and from the start for one that has ended. */
  ending(session: string): AbortSignal;
  /** Keeps a chain, then storage, then tells the tabs; resolves when all of that is done. */
  store(chain: Chain): Promise<void>;
  /** What storage or another tab says. */
  learn(chain: Chain | undefined): void;
  /** Reads storage again: this tab may have slept. */
  reload(): Promise<void>;
  /**
   * Drops a session, here and everywhere. Of what has ended nothing comes back.
   * @param tellServer what the person's own sign-out still has to do. If the session is in a cookie, storage says so until
   *   {@link Vault.told}: the page may be gone before the server knows
   */
  end(
    reason: SignedOutReason,
    session: string | undefined,
    tellServer?: () => Promise<unknown>,
  ): Promise<void>;
  /** The session of a cookie that has ended here, and of which the server has yet to be told. */
  untold(): Promise<string | undefined>;
  /** @param done whether the server knows now */
  told(session: string, done: boolean): Promise<void>;
  /** Puts a new session in the place of the one there is, if any. */
  replace(chain: Chain): Promise<void>;
  /** Another tab ended it. */
  heardEnd(message: Extract<Message, { kind: 'ended' }>): void;
}

const STORAGE_MS = 2000;

/** A storage that is full, forbidden or stuck takes nobody's session: it goes on in memory. */
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

/** The session in memory. Of what has ended nothing comes back. */
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
    learn: (heard: Chain | undefined): void => {
      if (!heard || over.has(heard.session)) return;
      const next = newest(chain, heard);
      // All tabs have one session: somebody signed in elsewhere, later than here.
      const replaced = chain?.session !== next.session && drop(chain?.session);
      chain = next;
      events.changed();
      if (replaced) events.ended('signed_out');
    },
  };
}

/** Remembers in storage, or only here if that keeps nothing, which sign-out the server has not heard of. */
function followSignOuts(
  held: ReturnType<typeof holdChain>,
  kept: ReturnType<typeof forgiving>,
): Pick<Vault, 'untold' | 'told'> {
  let untold: string | undefined;
  return {
    untold: async () => (held.chain ? undefined : ((await kept.load()).ended ?? untold)),
    async told(session, done) {
      const other = (await kept.load()).chain?.session;
      if (held.chain || (other && !held.isOver(other))) return;
      untold = done ? undefined : session;
      // Another tab may have kept the session after this one had ended it, and before it heard of that.
      await kept.save(done ? null : toEnded(session));
    },
  };
}

export function createVault(
  tabs: Pick<Tabs, 'tell'>,
  storage: SessionStorage | undefined,
  events: Events,
): Vault {
  const kept = forgiving(storage);
  const held = holdChain(events);
  const { drop, learn, isOver } = held;
  const signOuts = followSignOuts(held, kept);
  const tellEnd = (session: string, reason: SignedOutReason) =>
    tabs.tell({ kind: 'ended', session, reason });

  async function store(next: Chain): Promise<void> {
    if (isOver(next.session)) return;
    held.put(next);
    await kept.save(toStored(next));
    if (!isOver(next.session)) await tabs.tell({ kind: 'chain', chain: next });
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
      // Told first, so that no tab holds on to it for being the later one by a clock that was put back.
      if (drop(session)) void tellEnd(session, 'signed_out');
      await store(next);
      if (session) events.ended('signed_out');
    },
    async reload() {
      const { chain, ended } = await kept.load();
      // A tab that heard nothing of the sign-out would let the cookie go on.
      if (drop(ended)) events.ended('signed_out');
      learn(chain);
    },
    ...signOuts,
    async end(reason, session, tellServer) {
      const byCookie = tellServer && !held.chain?.refreshToken;
      if (!drop(session)) return;
      await (byCookie ? signOuts.told(session, false) : kept.save(null));
      const heard = tellEnd(session, reason);
      await tellServer?.();
      await heard;
      // Last: it may leave the page.
      events.ended(reason);
    },
    heardEnd: ({ session, reason }) => void (drop(session) && events.ended(reason)),
  };
}
