import { createTurns, createUnderWay } from '../backgroundTurns';
import type { Turns } from '../backgroundTurns';
import type { ReadyConfig } from '../config';
import type { Db } from '../db';
import { databaseFault } from '../db/pgErrors';
import type { KeyRing } from '../keyRing';
import type { Logger } from '../logger';
import type { Metrics } from '../metrics';
import { SECOND_MS } from '../durations';
import { deliver } from './deliverMail';
import { claimDueMails, countWaitingMails } from './mailStore';
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
/** How long deliveries in progress may take after the process was asked to stop. */
const CLOSE_MS = 5000;

/** Claims and sends the mails that are due. */
function createSender(deps: MailerDeps, transport: Transport): Turns {
  const { db, logger, metrics } = deps;
  let countedAt = -Infinity;
  const logFailure = (line: object) => logger.warn(line, 'waiting mails could not be read');
  const options = { task: 'send_mails', everyMs: POLL_MS, metrics, logFailure };
  const turns: Turns = createTurns(options, async ({ ending, beside }) => {
    const free = MOST_AT_ONCE - beside.size();
    // The next delivery that ends looks again.
    const due = free > 0 ? await claimDueMails(db, free, CLAIM_MS) : [];
    for (const mail of due) beside.add(deliver({ ...deps, transport }, mail, ending), turns.wake);
    if (performance.now() - countedAt < POLL_MS) return;
    countedAt = performance.now();
    metrics.mailsWaiting.set(await countWaitingMails(db));
  });
  return turns;
}

/**
 * Creates the mailer. A mail must not fail a request, and a crash between commit and sending must
 * not lose one. So mails are rows, and the node that claims a row first sends it. A mail is sent a
 * second time only if a node crashes, or a connection breaks, between the mail server's acceptance
 * and the update of the row.
 */
export function createMailer(deps: MailerDeps): Mailer {
  const { config, logger, metrics } = deps;
  const transport = openTransport(config, logger);
  const sender = transport && deps.sends ? createSender(deps, transport) : undefined;
  const asides = createUnderWay();

  function noteAsideFailure(err: unknown): void {
    metrics.backgroundFailures.inc({ task: 'queue_notice' });
    logger.warn({ err, fault: databaseFault(err) }, 'a notice could not be queued');
  }

  return {
    isAvailable: () => transport !== undefined,
    publicUrl: config.mail.publicUrl,
    wake: () => sender?.wake(),
    start: () => sender?.start(),
    aside: (work) => asides.add(work().catch(noteAsideFailure)),
    async settle() {
      await asides.settle();
      await sender?.settle();
    },
    async close() {
      await asides.settle();
      await sender?.stop(CLOSE_MS);
    },
  };
}
