import type { Chain } from './chain';
import { isUncertain, isUsable, readTokens, secretOf } from './chain';
import { GatehouseError } from './contract';
import type { Prove } from './stepUp';
import type { Tabs } from './tabs';
import type { RefreshEnd, RefreshEvent, RefreshStep } from './transitions';
import { REFRESH, afterRefresh } from './transitions';
import type { Answer, Transport } from './transport';
import { refusal } from './transport';
import type { Vault } from './vault';

interface Parts {
  transport: Transport;
  tabs: Tabs;
  vault: Vault;
  prove: Prove;
}

export interface Refresher {
  /**
   * Replaces an access token that is no longer usable. All callers in all tabs share one refresh.
   * @throws GatehouseError if there is no usable token afterwards
   */
  refresh(stale: string | undefined): Promise<void>;
  /**
   * The person dismissed the prompt of another tab. Callers that wait here for the same refresh are
   * not asked again.
   */
  onDismissed(): void;
  /** The server asked another tab to wait. */
  onWait(until: number): void;
  /** Starts a timer that repeats the request for a lost answer while the server still gives it. */
  schedule(): void;
  stop(): void;
}

/** A timer of several weeks would fire at once, because browsers limit the delay to 32 bits. */
const MOST_IDLE_MS = 30_000;

/**
 * Returns how long to wait in milliseconds: longer after each failure, and with jitter, so that not
 * all tabs retry at the same time.
 */
const backoff = (failures: number) => Math.min(8000, 500 * 2 ** failures) * (1 + Math.random());

function toEvent({ status, body }: Answer): RefreshEvent {
  if (status === 200) return body['accessToken'] ? 'tokens' : 'lost';
  if (status === 428 && body['challengeId']) return 'stepUp';
  if (status === 503 || status === 429) return 'unavailable';
  if (status >= 500 || !body['error']) return 'lost';
  if (body['error'] === 'FORCE_LOGOUT') return 'forced';
  return body['error'] === 'INVALID_REFRESH_TOKEN' ? 'invalid' : 'refused';
}

/**
 * Returns whether the answer proves that the token was not spent. The answer of a gateway or of a
 * crash proves nothing. A request that the rate limit rejects has not spent the token.
 */
const saysNothingHappened = ({ status, body }: Answer) =>
  status === 429 || (Boolean(body['error']) && (status < 500 || status === 503));

/** Runs one refresh, from the first request to its end. */
async function attempt({ transport, vault, prove }: Parts, chain: Chain) {
  const { session, since } = chain;
  let answer: Answer = { status: 0, body: {} };
  let failure: GatehouseError | undefined;
  /** Whether an answer to this token is missing. */
  let missing = chain.sentAt !== undefined;

  const keep = async (next: Chain) => vault.store((chain = next));

  async function send(): Promise<RefreshEvent> {
    const askedAt = Date.now();
    if (chain.sentAt === undefined) await keep({ ...chain, sentAt: askedAt });
    if (vault.chain?.session !== session) throw new GatehouseError('SIGNED_OUT');
    // The machine may have slept since the first request was sent.
    if (missing && isUncertain(chain, Date.now())) return 'tooLate';
    const headers = { 'idempotency-key': chain.key };
    failure = undefined;
    try {
      answer = await transport.post('api/auth/refresh', secretOf(chain), headers);
    } catch (error) {
      answer = failure = error as GatehouseError;
    }
    return take(answer, askedAt);
  }

  /** Keeps the tokens of an answer before anything else in it is used. */
  async function take(given: Answer, askedAt: number): Promise<RefreshEvent> {
    const event = toEvent(given);
    if (event === 'tokens' || event === 'stepUp') {
      missing = false;
      const tokens = readTokens(given.body, askedAt);
      // Somebody signed in again from a page that this tab gets no messages from. The cookie
      // belongs to that session.
      if (chain.sid && tokens.sid && chain.sid !== tokens.sid) return 'invalid';
      await keep({ session, since, n: chain.n + 1, ...tokens, sid: tokens.sid ?? chain.sid });
    } else if (!saysNothingHappened(given)) missing = true;
    // No earlier request can have spent the token either.
    else if (!missing && (event === 'unavailable' || event === 'refused'))
      await keep({ ...chain, sentAt: undefined });
    return event;
  }

  async function ask(): Promise<RefreshEvent> {
    try {
      await prove(answer.body, () => Promise.resolve({}), vault.ending(session));
      return 'proven';
    } catch (error) {
      failure = error as GatehouseError;
      return 'refused';
    }
  }

  let step: RefreshStep | RefreshEnd = 'sent';
  while (step in REFRESH) {
    const at: RefreshStep = step as RefreshStep;
    step = afterRefresh(at, await (at === 'proving' ? ask() : send()));
  }
  return { end: step as RefreshEnd, error: failure ?? refusal(answer) };
}

/** Holds back requests for as long as the server asks, or for longer after each failure. */
function createPause({ tabs }: Parts) {
  let notBefore = 0;
  let since = 0;
  let failures = 0;
  const wait = (until: number) => {
    since = Date.now();
    notBefore = until;
  };
  return {
    // If the clock was set back, the pause would last that much longer.
    left: () => (Date.now() < since ? 0 : Math.max(notBefore - Date.now(), 0)),
    wait,
    over: () => void (failures = 0),
    /** @returns the error for the callers */
    async begin({ code, status, body, retryAfterMs }: GatehouseError): Promise<GatehouseError> {
      const ms = retryAfterMs ?? backoff(failures++);
      wait(Date.now() + ms);
      await tabs.publish({ kind: 'wait', until: notBefore });
      return new GatehouseError(code, status, body, ms);
    },
  };
}

type Pause = ReturnType<typeof createPause>;

/** Turns the end of an attempt into the result for the callers, and informs the other tabs. */
async function settle(parts: Parts, pause: Pause, chain: Chain): Promise<void> {
  const { tabs, vault } = parts;
  const { end, error } = await attempt(parts, chain);
  if (end === 'renewed') return pause.over();
  if (end === 'security' || end === 'expired' || end === 'answer_lost') {
    await vault.end(end, chain.session);
    throw new GatehouseError('SIGNED_OUT', error.status, error.body);
  }
  if (end !== 'refused') throw await pause.begin(error);
  if (error.code === 'STEP_UP_DISMISSED') await tabs.publish({ kind: 'dismissed' });
  throw error;
}

/** @returns the chain to refresh, or undefined if another tab has refreshed it meanwhile */
async function findDue({ vault, tabs }: Parts, stale: string | undefined) {
  await vault.reload();
  // When this resolves, every message that was sent before it has been received.
  await tabs.publish({ kind: 'fence' });
  const { chain } = vault;
  if (!chain) throw new GatehouseError('SIGNED_OUT');
  const renewed = isUsable(chain, Date.now()) && chain.access?.token !== stale;
  return renewed ? undefined : chain;
}

export function createRefresher(parts: Parts): Refresher {
  const { transport, tabs, vault } = parts;
  const pause = createPause(parts);
  let running: Promise<void> | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let dismissals = 0;
  let stopped = false;

  /**
   * Runs in one tab at a time. While this tab waited, another one may have done all that was
   * needed.
   */
  async function inTurn(stale: string | undefined, since: number): Promise<void> {
    const chain = await findDue(parts, stale);
    if (!chain) return;
    if (dismissals !== since) throw new GatehouseError('STEP_UP_DISMISSED');
    const left = pause.left();
    if (left > 0) throw new GatehouseError('UNAVAILABLE', 0, {}, left);
    try {
      await transport.probe();
    } catch (error) {
      throw await pause.begin(error as GatehouseError);
    }
    await settle(parts, pause, chain);
  }

  function refresh(stale: string | undefined): Promise<void> {
    const since = dismissals;
    running ??= tabs
      .alone(() => inTurn(stale, since))
      .finally(() => {
        running = undefined;
        schedule();
      });
    return running;
  }

  function schedule(): void {
    clearTimeout(timer);
    if (stopped || running || vault.chain?.sentAt === undefined) return;
    const again = () => void refresh(vault.chain?.access?.token).catch(() => undefined);
    timer = setTimeout(again, Math.min(pause.left(), MOST_IDLE_MS) + 500 + Math.random() * 500);
  }

  return {
    refresh,
    schedule,
    onDismissed: () => void (dismissals += 1),
    onWait: (until) => pause.wait(until),
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
