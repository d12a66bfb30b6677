import type { Chain } from './chain';
import { newest, parseChain } from './chain';
import type { SessionStorage, SignedOutReason } from './contract';
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
  /** Drops the session, here and everywhere. Of what has ended nothing comes back. */
  end(reason: SignedOutReason): Promise<void>;
  /** Another tab ended it. */
  heardEnd(message: Extract<Message, { kind: 'ended' }>): void;
}

/** A storage that is full or forbidden takes nobody's session: it goes on in memory. */
function forgiving(storage: SessionStorage | undefined) {
  return {
    async save(value: string | null): Promise<void> {
      try {
        await storage?.save(value);
      } catch {
        return;
      }
    },
    async load(): Promise<Chain | undefined> {
      try {
        return parseChain(await storage?.load());
      } catch {
        return undefined;
      }
    },
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

  /** @returns whether it was this tab's session */
  function drop(session: string): boolean {
    over.add(session);
    if (chain?.session !== session) return false;
    chain = undefined;
    ending.abort();
    ending = new AbortController();
    return true;
  }

  function learn(heard: Chain | undefined): void {
    if (!heard || over.has(heard.session)) return;
    chain = newest(chain, heard);
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
    async store(next) {
      if (over.has(next.session)) return;
      chain = next;
      await kept.save(JSON.stringify(next));
      await tabs.tell({ kind: 'chain', chain: next });
      events.changed();
    },
    reload: async () => learn(await kept.load()),
    async end(reason) {
      if (!chain) return;
      const { session } = chain;
      drop(session);
      await kept.save(null);
      await tabs.tell({ kind: 'ended', session, reason });
      // Last: it may leave the page.
      events.ended(reason);
    },
    heardEnd({ session, reason }) {
      if (drop(session)) events.ended(reason);
    },
  };
}
