import { randomUUID } from 'node:crypto';
import type { Browser, Channel, Locks } from '@/client/browser';
import { orAborted } from '@/client/orAborted';
import { buildClient } from '@/client/client';
import type { GatehouseClient, GatehouseOptions, SignedOutReason } from '@/client/contract';
import { closeLater } from '../server/closing';

type Release = () => void;

interface Held {
  name: string;
  shared: boolean;
  tab: string;
  release: Release;
}

/**
 * Simulates Web Locks, which Node lacks: one owner at a time, in order. A tab that dies releases
 * all its locks.
 */
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

/** One request of a tab, with its answer. */
export interface Call {
  url: string;
  path: string;
  method: string;
  authorization: string | null;
  key: string | null;
  body: string;
  /** Undefined if no answer came. */
  status: number | undefined;
}

type Send = () => Promise<Response>;

export interface Tab {
  client: GatehouseClient;
  calls: Call[];
  /** Returns the calls that asked for a refresh. */
  refreshes(): Call[];
  signedOut: SignedOutReason[];
  /** The URLs to which the tab was sent. */
  wentTo: string[];
  /** The errors of the application's own code that it reported. */
  reported: unknown[];
  /** The delay in milliseconds of messages between tabs, including the tab's own. */
  lagMs: number;
  /** Called with each request before it is sent. */
  sending?: (request: Request) => Promise<void>;
  /** Handles each request between the tab and the server. */
  network: (call: Call, send: Send) => Promise<Response>;
  /** Leaves the page for another. It receives nothing until it is shown again. */
  leave(): void;
  comeBack(): void;
  /** Kills the process of the tab, which does and receives nothing any more. */
  kill(): void;
}

export interface Machine {
  /** The refresh cookie, as the browser sends it: `refresh=…`; empty without one. */
  cookie: string;
  /** Whether the browser keeps the cookie of an answer that its page never receives. */
  keepsLostCookies: boolean;
  /** The content of localStorage, which all tabs share. */
  kept: Map<string, string>;
  /** The headers that tell the server from which place the requests come. */
  place: Record<string, string>;
  /** Listens to the messages between tabs. The channel can also repeat them. */
  listen(listener: (message: unknown) => void): Channel;
  openTab(options?: Partial<GatehouseOptions>, has?: Partial<Browser>): Tab;
}

const never = () => new Promise<never>(() => undefined);

/** Opens a browser whose tabs share locks and channels. Each tab uses a real server. */
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
    listen(listener) {
      const channel: Channel = new BroadcastChannel(`${profile}:gatehouse:${url}`) as never;
      channel.addEventListener('message', ({ data }) => listener(data));
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
            addEventListener: (type, listener) =>
              channel.addEventListener(type, ({ data }) => {
                if (!away) setTimeout(() => listener({ data }), tab.lagMs);
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
            throw new Error('the test expects no request for a proof');
          },
          timeoutMs: 60_000,
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

/** The connection breaks while the answer is on its way back. */
export const loseAnswer = async (send: Send): Promise<never> => {
  const response = await send();
  await response.arrayBuffer();
  throw new TypeError('the network dropped the answer');
};

/** The request is never sent. */
export const loseRequest = (): Promise<never> =>
  Promise.reject(new TypeError('the network is down'));
