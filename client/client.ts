import type { Browser } from './browser';
import { isDue, isUsable, randomId, readTokens } from './chain';
import type { Chain } from './chain';
import type { Credentials, GatehouseClient, GatehouseOptions } from './contract';
import type { SessionStorage, SignedOutReason } from './contract';
import { GatehouseError } from './contract';
import { createRefresher } from './refresher';
import { createSender } from './sender';
import { PATIENCE_MS, createSignOut, endOnServer } from './signOut';
import { createProver } from './stepUp';
import { joinTabs } from './tabs';
import type { Message } from './tabs';
import { createTransport, refusal } from './transport';
import type { Answer } from './transport';
import { createVault } from './vault';

/** How long this tab waits for the answers of the other tabs, in milliseconds. */
const ASK_TABS_MS = 2000;
const ASK_BLINDLY_MS = 300;

/** Stores the mark of a session whose refresh token is in a cookie. */
function markIn(browser: Browser, name: string): SessionStorage {
  return {
    load: () => browser.storage().getItem(name),
    save: (value) => browser.storage().setItem(name, value ?? ''),
  };
}

/** Creates the parts of one client and connects them. */
function assemble(options: GatehouseOptions, browser: Browser) {
  const transport = createTransport(browser, options);
  const listeners = new Set<(message: Message) => void>();
  const name = `gatehouse:${transport.base.href.slice(0, -1)}`;
  const tabs = joinTabs(browser, name, (message) => {
    for (const listener of listeners) listener(message);
  });
  const ended = (reason: SignedOutReason) => {
    refresher.schedule();
    const { loginUrl = '/login' } = options;
    try {
      options.onSignedOut?.({ reason });
    } catch (error) {
      browser.report(error);
    }
    if (reason !== 'security' || loginUrl === false) return;
    browser.goTo(`${loginUrl}${loginUrl.includes('?') ? '&' : '?'}reason=security`);
  };
  const mark = options.refreshCookie ? markIn(browser, name) : undefined;
  const vault = createVault(tabs, options.storage ?? mark, {
    changed: () => refresher.schedule(),
    ended,
  });
  const prove = createProver(browser, transport, options);
  const refresher = createRefresher({ transport, tabs, vault, prove });
  listeners.add((message) => {
    if (message.kind === 'chain') vault.learn(message.chain);
    else if (message.kind === 'ended') vault.onEnd(message);
    else if (message.kind === 'dismissed') refresher.onDismissed();
    else if (message.kind === 'wait') refresher.onWait(message.until);
    else if (message.kind === 'ask') {
      const { chain } = vault;
      const { asker } = message;
      void tabs.publish(chain ? { kind: 'chain', chain } : { kind: 'none', asker });
    }
  });
  const { refreshCookie } = options;
  return { transport, tabs, vault, prove, refresher, listeners, refreshCookie };
}

type Parts = ReturnType<typeof assemble>;

/**
 * Finds the current session in storage, or else asks the other tabs.
 * @param askAnyway asks the other tabs even if storage has an access token, because they may have a
 *   newer one
 */
async function discover({ tabs, vault, listeners }: Parts, askAnyway = false): Promise<void> {
  await vault.reload();
  // For a session with a cookie, storage holds only a mark. Another tab may have an access token.
  if (vault.chain?.access && !askAnyway) return;
  const others = await tabs.countOthers();
  if (others !== undefined && others < 1) return;
  await new Promise<void>((resolve) => {
    let silent = others ?? Infinity;
    const asker = randomId();
    const listen = (message: Message) => {
      if (message.kind === 'none' && message.asker === asker) silent -= 1;
      if (message.kind === 'chain' || silent < 1) done();
    };
    const done = () => {
      clearTimeout(overdue);
      listeners.delete(listen);
      resolve();
    };
    const overdue = setTimeout(done, others === undefined ? ASK_BLINDLY_MS : ASK_TABS_MS);
    listeners.add(listen);
    void tabs.publish({ kind: 'ask', asker });
  });
}

function createSignIn({ transport, prove, vault, tabs, refreshCookie }: Parts) {
  let asking = new AbortController();
  /** Prevents a refresh of the previous session from overwriting the new cookie with its own. */
  const alone = <T>(work: () => Promise<T>): Promise<T> =>
    refreshCookie ? tabs.alone(work, AbortSignal.timeout(PATIENCE_MS)) : work();

  /** Keeps the tokens of an answer. A 428 has none yet. */
  async function keep(askedAt: number, ask: () => Promise<Answer>): Promise<Answer> {
    const answer = await ask();
    if (answer.status === 428) return answer;
    if (answer.status !== 200 || !answer.body['accessToken']) throw refusal(answer);
    const before = vault.chain;
    const tokens = readTokens(answer.body, askedAt);
    await vault.replace({ session: randomId(), since: askedAt, n: 0, ...tokens });
    // No tab has the old session any more. If it was in a cookie, the server already knows that the
    // cookie was replaced.
    if (before?.refreshToken) void endOnServer(transport, before);
    return answer;
  }

  return async (credentials: Credentials) => {
    // A new sign-in gives up the prompt of the one before, which may still be open.
    asking.abort(new GatehouseError('STEP_UP_DISMISSED'));
    const { signal } = (asking = new AbortController());
    const { status, body } = await alone(() =>
      keep(Date.now(), () => transport.post('api/auth/login', { ...credentials, refreshCookie })),
    );
    if (status !== 428) return;
    const { challengeId } = body;
    await prove(body, () => Promise.resolve({}), signal);
    // The first call uses up the proof. If its answer is lost, the same key makes the server repeat
    // that answer.
    const headers = { 'idempotency-key': randomId() };
    const complete = () =>
      transport.post('api/auth/login/complete', { challengeId, refreshCookie }, headers);
    const completed = await alone(() => keep(Date.now(), () => complete().catch(complete)));
    if (completed.status === 428) throw refusal(completed);
  };
}

/** @param browser the functions of the tab; tests pass their own tabs */
export function buildClient(options: GatehouseOptions, browser: Browser): GatehouseClient {
  const parts = assemble(options, browser);
  const { transport, tabs, vault, prove, refresher } = parts;
  const jitter = Math.random();
  const chain = () => vault.chain;
  const find = (again: boolean) => discover(parts, again).catch(() => undefined);
  let discovered = find(false);
  browser.onReturn?.(() => void (discovered = find(true)));

  /**
   * Returns the current session with a usable token. A request that began in one session never
   * continues in another, because that may belong to another person.
   */
  async function current(stale?: string, session?: string): Promise<Chain | undefined> {
    await discovered;
    const before = chain();
    if (session !== undefined && before?.session !== session)
      throw new GatehouseError('SIGNED_OUT');
    if (!before) return undefined;
    const now = Date.now();
    const usable = isUsable(before, now) && before.access?.token !== stale;
    if (!usable) await refresher.refresh(before.access?.token);
    else if (isDue(before, now, jitter)) {
      // No caller waits for this refresh: the current token is still valid.
      void refresher.refresh(before.access?.token).catch(() => undefined);
    }
    const after = chain();
    if (after?.session !== before.session) throw new GatehouseError('SIGNED_OUT');
    return after;
  }

  const send = createSender({ transport, vault, prove, current });
  const signIn = createSignIn(parts);
  const signOut = createSignOut(parts);
  return {
    ready: async () => {
      await discovered;
      await signOut.report();
      // Only the server can see whether the browser still has the cookie. If the server cannot be
      // reached, the session goes on.
      if (vault.chain && !vault.chain.refreshToken) await current().catch(() => undefined);
      return vault.chain !== undefined;
    },
    get signedIn() {
      return vault.chain !== undefined;
    },
    async signIn(credentials) {
      await discovered;
      // A late answer to the sign-out would remove the new cookie.
      await signOut.reporting();
      await signIn(credentials);
    },
    async signOut(choice) {
      await discovered;
      await (choice?.everywhere ? signOut.everywhere(send) : signOut.here());
    },
    fetch: send,
    accessToken: async () => (await current())?.access?.token,
    close() {
      refresher.stop();
      tabs.close();
    },
  };
}
