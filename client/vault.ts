import type { Chain } from './chain';
import { newest, parseChain, toStored } from './chain';
import { GatehouseError } from './contract';
import type { SessionStorage, SignedOutReason } from './contract';
import { orAborted } from './orAborted';
import type { Message, Tabs } from './tabs';

/** Holds the session of this tab, and keeps it one with storage and the other tabs. */
export interface Vault {
  readonly chain: Chain | undefined;
  /** Aborted when the session ends. */
  readonly ending: AbortSignal;
  /** Keeps a chain, then storage, then tells the tabs; resolves when all of that is done. */
  store(chain: Chain): Promise<void>;
  /** What storage or another tab says. */
  learn(chain: Chain | undefined): void;
  /** Reads storage again: this tab may have slept. */
  reload(): Promise<void>;
  /** Drops a session, here and everywhere. Of what has ended nothing comes back. */
  end(reason: SignedOutReason, session: string | undefined): Promise<void>;
  /** Puts a new session in the place of the one there is, if any. */
  replace(chain: Chain): Promise<void>;
  /** Closes the prompts that are open, and opens none: the person is leaving. */
  hush(): void;
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
    load: async () => parseChain(await attempt(() => storage?.load())),
  };
}

export function createVault(
  tabs: Pick<Tabs, 'tell'>,
  storage: SessionStorage | undefined,
  events: { changed(): void; ended(reason: SignedOutReason): void },
): Vault {
  const kept = forgiving(storage);
  const over = new Set<string>();
  let chain: Chain | undefined;
  let ending = new AbortController();
  const abort = () => ending.abort(new GatehouseError('SIGNED_OUT'));

  /** @returns whether it was this tab's session */
  function drop(session: string | undefined): session is string {
    if (session) over.add(session);
    if (!session || chain?.session !== session) return false;
    chain = undefined;
    abort();
    ending = new AbortController();
    return true;
  }

  function learn(heard: Chain | undefined): void {
    if (!heard || over.has(heard.session)) return;
    const next = newest(chain, heard);
    // All tabs have one session: somebody signed in elsewhere, later than here.
    const replaced = chain?.session !== next.session && drop(chain?.session);
    chain = next;
    events.changed();
    if (replaced) events.ended('signed_out');
  }

  async function store(next: Chain): Promise<void> {
    if (over.has(next.session)) return;
    chain = next;
    await kept.save(toStored(next));
    if (!over.has(next.session)) await tabs.tell({ kind: 'chain', chain: next });
    events.changed();
  }

  return {
    get chain() {
      return chain;
    },
    get ending() {
      return ending.signal;
    },
    learn,
    store,
    async replace(next) {
      const session = chain?.session;
      const reason = 'signed_out';
      // Told first, so that no tab holds on to it for being the later one by a clock that was put back.
      if (drop(session)) void tabs.tell({ kind: 'ended', session, reason });
      await store(next);
      if (session) events.ended(reason);
    },
    hush: () => void (chain && abort()),
    reload: async () => learn(await kept.load()),
    async end(reason, session) {
      if (!drop(session)) return;
      await kept.save(null);
      await tabs.tell({ kind: 'ended', session, reason });
      // Last: it may leave the page.
      events.ended(reason);
    },
    heardEnd: ({ session, reason }) => void (drop(session) && events.ended(reason)),
  };
}
