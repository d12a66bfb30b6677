import type { ReadyConfig } from '../config';
import type { Db } from '../db';
import { databaseFault } from '../db/pgErrors';
import type { KeyRing } from '../keyRing';
import type { Logger } from '../logger';
import type { Metrics } from '../metrics';
import { deliver } from './deliver';
import { claimDueMails, countWaitingMails } from './mailStore';
import type { ClaimedMail } from './mailStore';
import { openTransport } from './transport';
import type { Transport } from './transport';

/** Sends what was queued, beside the requests that queued it. */
export interface Mailer {
  /** Whether mails can be sent at all; where not, nothing should be queued. */
  isAvailable(): boolean;
  /** The origin for links in mails; undefined where nobody has set it. */
  readonly publicUrl: string | undefined;
  /** Sends what is due; to be called once the transaction that queued a mail has committed. It cannot fail. */
  wake(): void;
  /** Looks every few seconds for what other nodes or crashes have left, and for what is to be tried again. */
  start(): void;
  /**
   * Runs work beside the answer: for a mail whose writing must not show in the time that an answer takes. If it fails, a
   * metric and the log say so.
   */
  aside(work: () => Promise<void>): void;
  /** Waits until nothing is under way. */
  settle(): Promise<void>;
  /** Takes nothing new, and lets what is under way finish within seconds. */
  close(): Promise<void>;
}

export interface MailerDeps {
  config: Pick<ReadyConfig, 'mail' | 'production'>;
  db: Db;
  keys: KeyRing;
  logger: Logger;
  metrics: Metrics;
  /** False leaves what is queued to the nodes that serve: an operator's command does not talk to mail servers. */
  sends: boolean;
}

const POLL_MS = 3000;
const MOST_AT_ONCE = 4;
/** Longer than a mail may take and its outcome to be written: only a node that died leaves a claim behind. */
const CLAIM_MS = 90_000;
/** What is under way when the process is told to stop may take so long. */
const CLOSE_MS = 5000;

/** Reports a database that cannot be asked once, not every few seconds. */
function createTrouble({ logger, metrics }: Pick<MailerDeps, 'logger' | 'metrics'>) {
  let reported = false;
  return {
    over: () => void (reported = false),
    met: (err: unknown) => {
      metrics.backgroundFailures.inc({ task: 'send_mails' });
      if (!reported) logger.warn({ err, fault: databaseFault(err) }, 'mails cannot be looked for');
      reported = true;
    },
  };
}

/** What claims and sends; `settle` waits until nothing is under way. */
interface Sender {
  wake: () => void;
  settle: () => Promise<void>;
  stop: () => void;
}

function createSender(deps: MailerDeps, transport: Transport, ending: AbortSignal): Sender {
  const underWay = new Set<Promise<void>>();
  const trouble = createTrouble(deps);
  const state = { again: false, stopped: false };
  let claiming: Promise<void> | undefined;

  function take(mail: ClaimedMail): void {
    const sending = deliver({ ...deps, transport }, mail, ending).finally(() => {
      underWay.delete(sending);
      wake();
    });
    underWay.add(sending);
  }

  async function claim(): Promise<void> {
    const free = MOST_AT_ONCE - underWay.size;
    // Whichever ends next looks again.
    if (free <= 0) return;
    (await claimDueMails(deps.db, free, CLAIM_MS)).forEach(take);
    trouble.over();
  }

  function wake(): void {
    if (state.stopped) return;
    state.again = claiming !== undefined;
    if (claiming) return;
    claiming = claim()
      .catch(trouble.met)
      .finally(() => {
        claiming = undefined;
        // What was queued since may have come too late for this look.
        if (state.again) wake();
      });
  }

  return {
    wake,
    async settle() {
      while (claiming || underWay.size > 0) await Promise.all([claiming, ...underWay]);
    },
    stop: () => void (state.stopped = true),
  };
}

function createAsides({ logger, metrics }: Pick<MailerDeps, 'logger' | 'metrics'>) {
  const underWay = new Set<Promise<void>>();
  return {
    run(work: () => Promise<void>): void {
      const running = work()
        .catch((err: unknown) => {
          metrics.backgroundFailures.inc({ task: 'queue_notice' });
          logger.warn({ err, fault: databaseFault(err) }, 'a notice could not be queued');
        })
        .finally(() => void underWay.delete(running));
      underWay.add(running);
    },
    async settle(): Promise<void> {
      while (underWay.size > 0) await Promise.all(underWay);
    },
  };
}

/**
 * A mail must never fail a request, and a crash between a commit and the sending must lose none: so they are rows, sent
 * by whichever node claims them first. Each is sent once, but for a node that dies, or a connection that breaks, between
 * the server's acceptance and our note of it: then it is sent again.
 */
export function createMailer(deps: MailerDeps): Mailer {
  const transport = openTransport(deps.config, deps.logger);
  const ending = new AbortController();
  const sender = transport && deps.sends && createSender(deps, transport, ending.signal);
  const asides = createAsides(deps);
  let timer: NodeJS.Timeout | undefined;

  async function poll(): Promise<void> {
    if (sender) sender.wake();
    try {
      deps.metrics.mailsWaiting.set(await countWaitingMails(deps.db));
    } catch {
      // The sender asks the same database, and says so.
    }
  }

  return {
    isAvailable: () => transport !== undefined,
    publicUrl: deps.config.mail.publicUrl,
    wake() {
      if (sender) sender.wake();
    },
    start() {
      if (!sender) return;
      timer ??= setInterval(() => void poll(), POLL_MS).unref();
      void poll();
    },
    aside: (work) => asides.run(work),
    async settle() {
      await asides.settle();
      if (sender) await sender.settle();
    },
    async close() {
      clearInterval(timer);
      await asides.settle();
      if (!sender) return;
      sender.stop();
      const overdue = setTimeout(() => ending.abort(), CLOSE_MS);
      await sender.settle();
      clearTimeout(overdue);
    },
  };
}
