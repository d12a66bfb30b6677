import type { ReadyConfig } from '../config';
import type { Db } from '../db';
import { databaseFault } from '../db/pgErrors';
import type { KeyRing } from '../keyRing';
import type { Logger } from '../logger';
import type { Metrics } from '../metrics';
import { SECOND_MS } from '../durations';
import { deliver } from './deliverMail';
import { claimDueMails, countWaitingMails } from './mailStore';
import type { ClaimedMail } from './mailStore';
import { openTransport } from './mailTransport';
import type { Transport } from './mailTransport';

/** Sends queued mails in the background of the requests that queued them. */
export interface Mailer {
  /** Whether mails can be sent at all; if not, do not queue any. */
  isAvailable(): boolean;
  /** The origin for links in mails; undefined if it is not configured. */
  readonly publicUrl: string | undefined;
  /**
   * Sends mails that are due. Call it once the transaction that queued a mail has been committed.
   * It never throws.
   */
  wake(): void;
  /** Polls every few seconds for mails that other nodes or crashes have left, and for retries. */
  start(): void;
  /**
   * Runs work in the background, for a mail that must not affect the time of an answer. A failure
   * is logged and counted in a metric.
   */
  aside(work: () => Promise<void>): void;
  /** Waits until nothing is in progress. */
  settle(): Promise<void>;
  /** Stops taking mails, and lets those in progress finish within seconds. */
  close(): Promise<void>;
}

export interface MailerDeps {
  config: Pick<ReadyConfig, 'mail' | 'production'>;
  db: Db;
  keys: KeyRing;
  logger: Logger;
  metrics: Metrics;
  /**
   * False for an operator's command, which must not talk to mail servers: the running nodes send
   * what it queues.
   */
  sends: boolean;
}

const POLL_MS = 3000;
const MOST_AT_ONCE = 4;
/**
 * Longer than sending a mail and storing its outcome take, so that only a crashed node leaves a
 * claim behind.
 */
const CLAIM_MS = 90 * SECOND_MS;
/** How long deliveries in progress may take after the process was told to stop. */
const CLOSE_MS = 5000;

/** Logs an unreachable database once, not every few seconds. */
function createTrouble({ logger, metrics }: Pick<MailerDeps, 'logger' | 'metrics'>) {
  let reported = false;
  return {
    over: () => void (reported = false),
    met: (err: unknown) => {
      metrics.backgroundFailures.inc({ task: 'send_mails' });
      if (!reported)
        logger.warn({ err, fault: databaseFault(err) }, 'waiting mails could not be read');
      reported = true;
    },
  };
}

/** Claims and sends mails; `settle` waits until nothing is in progress. */
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
    // The next delivery that ends looks again.
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
        // A mail queued since may have come too late for this look.
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
 * Creates the mailer. A mail must not fail a request, and a crash between commit and sending must
 * not lose one. So mails are rows, and the node that claims a row first sends it. A mail is sent a
 * second time only if a node crashes, or a connection breaks, between the mail server's acceptance
 * and the update of the row.
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
      // The sender uses the same database and reports the fault.
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
