import type { Db } from '../db';
import { databaseFault } from '../db/pgErrors';
import type { KeyRing } from '../keyRing';
import type { Logger } from '../logger';
import type { Metrics } from '../metrics';
import { HOUR_MS, SECOND_MS } from '../durations';
import { markMailFailed, markMailGivenUp, markMailSent } from './mailStore';
import type { ClaimedMail } from './mailStore';
import { openMail } from './sealedMail';
import { MailError } from './mailTransport';
import type { Transport } from './mailTransport';

interface DeliverDeps {
  db: Db;
  keys: KeyRing;
  logger: Logger;
  metrics: Metrics;
  transport: Transport;
}

const MOST_TRIES = 50;
const FIRST_RETRY_MS = 5000;
const LAST_RETRY_MS = HOUR_MS;

/** The number of tries to store an outcome, and the pause between them. */
const NOTE_TRIES = 5;
const NOTE_AGAIN_MS = SECOND_MS;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const retryAfterMs = (tries: number) =>
  Math.min(FIRST_RETRY_MS * 2 ** Math.min(tries - 1, 20), LAST_RETRY_MS);

/** Returns the fields of a mail that may be logged. */
const describe = ({ id, tenantId, kind, tries }: ClaimedMail) => ({
  mailId: id,
  tenantId,
  kind,
  tries,
});

/**
 * Stores an outcome, with retries: another node would send a mail again that is not marked as sent.
 */
async function writeDown(deps: DeliverDeps, mail: ClaimedMail, write: () => Promise<void>) {
  for (let left = NOTE_TRIES - 1; ; left -= 1) {
    try {
      return await write();
    } catch (err) {
      deps.metrics.backgroundFailures.inc({ task: 'note_mail' });
      if (left === 0) {
        const line = { err, fault: databaseFault(err), ...describe(mail) };
        deps.logger.error(line, 'the result of sending a mail could not be stored');
        return;
      }
      await pause(NOTE_AGAIN_MS);
    }
  }
}

async function giveUp(deps: DeliverDeps, mail: ClaimedMail, reason: string): Promise<void> {
  deps.metrics.mails.inc({ outcome: 'given_up' });
  deps.logger.error({ ...describe(mail), reason }, 'a mail was given up and will not be delivered');
  await writeDown(deps, mail, () => markMailGivenUp(deps.db, mail, reason));
}

async function fail(
  deps: DeliverDeps,
  mail: ClaimedMail,
  error: unknown,
  ending: boolean,
): Promise<void> {
  const { reason, permanent } =
    error instanceof MailError ? error : { reason: 'UNKNOWN', permanent: false };
  if (permanent || mail.tries >= MOST_TRIES) return giveUp(deps, mail, reason);
  deps.metrics.mails.inc({ outcome: 'failed' });
  // This node is stopping and broke off the delivery, so another node may retry at once.
  const retryMs = ending ? 0 : retryAfterMs(mail.tries);
  deps.logger.warn({ ...describe(mail), reason, retryMs }, 'a mail could not be sent yet');
  await writeDown(deps, mail, () => markMailFailed(deps.db, mail, reason, retryMs));
}

/**
 * Sends one claimed mail and stores the outcome. It never throws.
 * @param ending aborted when the process cannot wait any longer
 */
export async function deliver(
  deps: DeliverDeps,
  claimed: ClaimedMail,
  ending: AbortSignal,
): Promise<void> {
  if (claimed.expired) return giveUp(deps, claimed, 'expired');
  const mail = openMail(deps.keys, claimed.id, claimed.sealed);
  if (!mail && !deps.keys.opensKey(claimed.keyId)) {
    // Keep the mail: another node may have the key, or this one may get it back.
    return fail(deps, claimed, new MailError('KEY_UNAVAILABLE', false), ending.aborted);
  }
  if (!mail) return giveUp(deps, claimed, 'unreadable');
  try {
    await deps.transport.send(claimed.id, mail, ending);
  } catch (error) {
    return fail(deps, claimed, error, ending.aborted);
  }
  deps.metrics.mails.inc({ outcome: 'sent' });
  await writeDown(deps, claimed, () => markMailSent(deps.db, claimed.id));
}
