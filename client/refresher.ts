import type { Chain } from './chain';
import { isUncertain, isUsable, readTokens } from './chain';
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
   * Brings a usable access token in place of one that is not good any more: one refresh for all who ask, in all tabs.
   * @throws GatehouseError
   */
  refresh(stale: string | undefined): Promise<void>;
  /** Another tab's person dismissed its prompt: whoever waits behind it here is not asked again. */
  heardDismissed(): void;
  /** Another tab was told to wait. */
  heardWait(until: number): void;
  /** Sees to it that a lost answer is asked for again while it can be. */
  schedule(): void;
  stop(): void;
}

/** Who waits: longer each time, not all at the same moment. */
const backoff = (failures: number) => Math.min(8000, 500 * 2 ** failures) * (1 + Math.random());

function toEvent({ status, body }: Answer): RefreshEvent {
  if (status === 200) return body['accessToken'] ? 'tokens' : 'lost';
  if (status === 428) return body['refreshToken'] ? 'stepUp' : 'refused';
  if (status === 503 || status === 429) return 'unavailable';
  // What a gateway or a crash answers says nothing of what became of the token.
  if (status >= 500) return 'lost';
  if (body['error'] === 'FORCE_LOGOUT') return 'forced';
  return body['error'] === 'INVALID_REFRESH_TOKEN' ? 'invalid' : 'refused';
}

/** One refresh, from the first call to its end. */
class Attempt {
  private answer: Answer | undefined;
  private failure: GatehouseError | undefined;
  /** Whether an answer to this token is missing. */
  private missing: boolean;

  constructor(
    private readonly parts: Parts,
    private chain: Chain,
  ) {
    this.missing = chain.sentAt !== undefined;
  }

  async run(): Promise<{ end: RefreshEnd; error: GatehouseError }> {
    let step: RefreshStep | RefreshEnd = 'sent';
    while (step in REFRESH) {
      const at: RefreshStep = step as RefreshStep;
      step = afterRefresh(at, at === 'proving' ? await this.ask() : await this.send());
    }
    const refused = this.answer && refusal(this.answer);
    return { end: step as RefreshEnd, error: this.failure ?? refused ?? lostAnswer() };
  }

  private async send(): Promise<RefreshEvent> {
    const { transport, vault } = this.parts;
    const askedAt = Date.now();
    if (this.chain.sentAt === undefined) await this.keep({ ...this.chain, sentAt: askedAt });
    if (vault.chain?.session !== this.chain.session) throw new GatehouseError('SIGNED_OUT');
    const { refreshToken, key } = this.chain;
    const headers = { 'idempotency-key': key };
    this.answer = undefined;
    try {
      this.answer = await transport.post('/api/auth/refresh', { refreshToken }, headers);
    } catch {
      this.missing = true;
      return 'lost';
    }
    return this.take(this.answer, askedAt);
  }

  /** Keeps what an answer brings before anybody looks at what else it says. */
  private async take(answer: Answer, askedAt: number): Promise<RefreshEvent> {
    const event = toEvent(answer);
    const tokens = readTokens(answer.body, askedAt);
    if (tokens && (event === 'tokens' || event === 'stepUp')) {
      const { session, since, n } = this.chain;
      this.missing = false;
      await this.keep({ session, since, n: n + 1, ...tokens });
    } else if (event === 'lost') this.missing = true;
    // The server answered that it did nothing; only an earlier request may have spent the token.
    else if (!this.missing && (event === 'unavailable' || event === 'refused'))
      await this.keep({ ...this.chain, sentAt: undefined });
    return event;
  }

  private async keep(chain: Chain): Promise<void> {
    this.chain = chain;
    await this.parts.vault.store(chain);
  }

  private async ask(): Promise<RefreshEvent> {
    const { prove, vault } = this.parts;
    try {
      await prove(this.answer?.body ?? {}, () => Promise.resolve({}), vault.ending);
      return 'proven';
    } catch (error) {
      this.failure = error instanceof GatehouseError ? error : new GatehouseError('STEP_UP_FAILED');
      this.failure.cause = error;
      return 'refused';
    }
  }
}

const lostAnswer = () => new GatehouseError('NETWORK');

/** How long nothing is sent: as long as the server says, or longer with each failure. */
function createPause({ tabs }: Parts) {
  let notBefore = 0;
  let failures = 0;
  return {
    left: () => Math.max(notBefore - Date.now(), 0),
    extend: (until: number) => void (notBefore = Math.max(notBefore, until)),
    over: () => void (failures = 0),
    /** @returns the error that callers get */
    async begin({ code, status, body, retryAfterMs }: GatehouseError): Promise<GatehouseError> {
      const ms = retryAfterMs ?? backoff(failures++);
      notBefore = Date.now() + ms;
      await tabs.tell({ kind: 'wait', until: notBefore });
      return new GatehouseError(code, status, body, ms);
    },
  };
}

type Pause = ReturnType<typeof createPause>;

/** Makes of the end of an attempt what its callers get, and what the other tabs must know. */
async function settle({ tabs, vault }: Parts, pause: Pause, attempt: Attempt): Promise<void> {
  const { end, error } = await attempt.run();
  if (end === 'renewed') return pause.over();
  if (end === 'security' || end === 'expired') {
    await vault.end(end);
    throw new GatehouseError('SIGNED_OUT', error.status, error.body);
  }
  if (end !== 'refused') throw await pause.begin(error);
  if (error.code === 'STEP_UP_DISMISSED') await tabs.tell({ kind: 'dismissed' });
  throw error;
}

/** @returns the chain to refresh; undefined where that has been done meanwhile */
async function findDue({ vault, tabs }: Parts, stale: string | undefined) {
  await vault.reload();
  // Everything that was said before has been heard when this comes back.
  await tabs.tell({ kind: 'fence' });
  const { chain } = vault;
  if (!chain) throw new GatehouseError('SIGNED_OUT');
  const renewed = isUsable(chain, Date.now()) && chain.access?.token !== stale;
  return renewed && chain.sentAt === undefined ? undefined : chain;
}

export function createRefresher(parts: Parts): Refresher {
  const { transport, tabs, vault } = parts;
  const pause = createPause(parts);
  let running: Promise<void> | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let dismissals = 0;
  let stopped = false;

  /** In one tab at a time. What happened while this one waited may be all that was wanted. */
  async function inTurn(stale: string | undefined, since: number): Promise<void> {
    const chain = await findDue(parts, stale);
    if (!chain) return;
    if (dismissals !== since) throw new GatehouseError('STEP_UP_DISMISSED');
    if (isUncertain(chain, Date.now())) {
      await vault.end('answer_lost');
      throw new GatehouseError('SIGNED_OUT');
    }
    const left = pause.left();
    if (left > 0) throw new GatehouseError('UNAVAILABLE', 0, {}, left);
    try {
      await transport.probe();
    } catch (error) {
      throw await pause.begin(error as GatehouseError);
    }
    await settle(parts, pause, new Attempt(parts, chain));
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
    timer = setTimeout(again, pause.left() + 500 + Math.random() * 500);
  }

  return {
    refresh,
    schedule,
    heardDismissed: () => void (dismissals += 1),
    heardWait: (until) => pause.extend(until),
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
