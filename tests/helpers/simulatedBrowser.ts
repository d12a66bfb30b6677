import { randomUUID } from 'node:crypto';
import type { Browser, Channel, Locks } from '@/client/browser';
import { orAborted } from '@/client/orAborted';
import { buildClient } from '@/client/client';
import type { GatehouseClient, GatehouseOptions, SignedOutReason } from '@/client/contract';
import { closeLater } from './closing';

type Release = () => void;

interface Held {
  name: string;
  shared: boolean;
  tab: string;
  release: Release;
}

/** Web Locks, which Node lacks: one owner at a time, in order; a tab that dies lets go of everything. */
function createLocks() {
  const held: Held[] = [];
  const waiting: { name: string; shared: boolean; tab: string; grant: () => void }[] = [];

  const isFree = (name: string, shared: boolean) =>
    held.every((lock) => lock.name !== name || (shared && lock.shared));
  function grantNext(): void {
    for (const wait of [...waiting]) {
      if (!isFree(wait.name, wait.shared)) continue;
      waiting.splice(waiting.indexOf(wait), 1);
      wait.grant();
    }
  }
  function letGo(lock: Held): void {
    const at = held.indexOf(lock);
    if (at >= 0) held.splice(at, 1);
    grantNext();
  }
  const locksOf = (tab: string): Locks => ({
    request: (name, { mode }, work) =>
      new Promise((resolve, reject) => {
        const shared = mode === 'shared';
        const grant = () => {
          const lock: Held = { name, shared, tab, release: () => letGo(lock) };
          held.push(lock);
          setImmediate(() => void work().then(resolve, reject).finally(lock.release));
        };
        waiting.push({ name, shared, tab, grant });
        grantNext();
      }),
    query: () => Promise.resolve({ held: held.map(({ name }) => ({ name })) }),
  });
  function kill(tab: string): void {
    for (const wait of waiting.filter((one) => one.tab === tab)) {
      waiting.splice(waiting.indexOf(wait), 1);
    }
    for (const lock of held.filter((one) => one.tab === tab)) lock.release();
  }
  return { locksOf, kill };
}

/** One request of a tab, as it left and as it came back. */
export interface Call {
  url: string;
  path: string;
  method: string;
  authorization: string | null;
  key: string | null;
  body: string;
  /** Undefined where no answer came. */
  status: number | undefined;
}

type Send = () => Promise<Response>;

export interface Tab {
  client: GatehouseClient;
  calls: Call[];
  /** The calls that asked for a refresh. */
  refreshes(): Call[];
  signedOut: SignedOutReason[];
  /** Where the tab was sent. */
  wentTo: string[];
  /** What it said of faults in the application's own code. */
  reported: unknown[];
  /** How late it hears what is said between tabs, itself included. */
  lagMs: number;
  /** Sees each request as it leaves. */
  sending?: (request: Request) => Promise<void>;
  /** Stands between the tab and the server. */
  network: (call: Call, send: Send) => Promise<Response>;
  /** The page is left for another and hears nothing, until it is shown again. */
  leave(): void;
  comeBack(): void;
  /** The process of the tab dies: it does and hears nothing any more. */
  kill(): void;
}

export interface Machine {
  /** The refresh cookie, as the browser sends it: `refresh=…`; empty without one. */
  cookie: string;
  /** Whether the browser keeps the cookie of an answer that its page never gets. */
  keepsLostCookies: boolean;
  /** What all tabs find in localStorage. */
  kept: Map<string, string>;
  /** The headers that tell the server where this is. */
  place: Record<string, string>;
  /** Hears what the tabs tell each other, and can say it again. */
  listen(hear: (message: unknown) => void): Channel;
  openTab(options?: Partial<GatehouseOptions>, has?: Partial<Browser>): Tab;
}

const never = () => new Promise<never>(() => undefined);

/** A browser with tabs that share locks and channels; each talks to a real server. */
export function openMachine(url: string, place: Record<string, string> = {}): Machine {
  const locks = createLocks();
  const profile = randomUUID();
  const keepCookie = ({ headers }: Response) => {
    const set = headers.getSetCookie().find((cookie) => cookie.startsWith('refresh='));
    if (set !== undefined) machine.cookie = /^refresh=[^;]+/.exec(set)?.[0] ?? '';
  };
  const machine: Machine = {
    place,
    cookie: '',
    keepsLostCookies: false,
    kept: new Map(),
    listen(hear) {
      const channel: Channel = new BroadcastChannel(`${profile}:gatehouse:${url}`) as never;
      channel.addEventListener('message', ({ data }) => hear(data));
      return channel;
    },
    openTab(options = {}, has = {}) {
      const id = randomUUID();
      let dead = false;
      let away = false;
      let hearReturn = () => undefined as void;
      const isDead = () => dead;
      const channels: Channel[] = [];
      const tab: Omit<Tab, 'client'> = {
        calls: [],
        refreshes: () => tab.calls.filter(({ path }) => path === '/api/auth/refresh'),
        signedOut: [],
        wentTo: [],
        reported: [],
        lagMs: 0,
        network: (_call, send) => send(),
        leave: () => void (away = true),
        comeBack() {
          away = false;
          hearReturn();
        },
        kill() {
          dead = true;
          for (const channel of channels) channel.close();
          locks.kill(id);
        },
      };
      const browser: Browser = {
        origin: url,
        pageUrl: () => `${url}/app/page`,
        onLine: () => true,
        report: (error) => void tab.reported.push(error),
        goTo: (target) => void tab.wentTo.push(target),
        locks: locks.locksOf(id),
        openChannel(name) {
          const channel: Channel = new BroadcastChannel(`${profile}:${name}`) as never;
          channels.push(channel);
          return {
            postMessage: (message) => channel.postMessage(message),
            close: () => channel.close(),
            addEventListener: (type, hear) =>
              channel.addEventListener(type, ({ data }) => {
                if (!away) setTimeout(() => hear({ data }), tab.lagMs);
              }),
          };
        },
        storage: () => ({
          getItem: (name) => machine.kept.get(name) ?? null,
          setItem: (name, value) => void machine.kept.set(name, value),
        }),
        onReturn: (back) => void (hearReturn = back),
        async fetch(input, init) {
          if (isDead()) return never();
          const request = new Request(input, init);
          if (machine.cookie) request.headers.set('cookie', machine.cookie);
          for (const [name, value] of Object.entries(machine.place))
            request.headers.set(name, value);
          const call: Call = {
            url: request.url,
            path: new URL(request.url).pathname,
            method: request.method,
            authorization: request.headers.get('authorization'),
            key: request.headers.get('idempotency-key'),
            body: typeof init?.body === 'string' ? init.body : '',
            status: undefined,
          };
          tab.calls.push(call);
          await tab.sending?.(request.clone());
          const response = await orAborted(
            request.signal,
            tab.network(call, async () => {
              const answer = await fetch(request);
              if (machine.keepsLostCookies) keepCookie(answer);
              return answer;
            }),
          );
          if (isDead()) return never();
          keepCookie(response);
          call.status = response.status;
          return response;
        },
        ...has,
      };
      const client = buildClient(
        {
          onStepUp: () => {
            throw new Error('nobody was to be asked');
          },
          timeoutMs: 3000,
          onSignedOut: ({ reason }) => void tab.signedOut.push(reason),
          ...options,
        },
        browser,
      );
      closeLater(() => {
        client.close();
        tab.kill();
        return Promise.resolve();
      });
      return Object.assign(tab, { client });
    },
  };
  return machine;
}

/** The answer is on its way back when the connection breaks. */
export const loseAnswer = async (send: Send): Promise<never> => {
  const response = await send();
  await response.arrayBuffer();
  throw new TypeError('the network dropped the answer');
};

/** The request itself does not get out. */
export const loseRequest = (): Promise<never> =>
  Promise.reject(new TypeError('the network is not there'));
