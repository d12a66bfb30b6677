import type { Tx } from '../../db';
import { DAY_MS } from '../../durations';
import type { KeyRing } from '../../keyRing';
import { reserveTry } from './attemptStore';
import { attemptSubject } from './attempts';

/** Fewer than the ten from which counters are kept for ever. */
const MOST_A_DAY = 8;

/** The mails that one person can have sent to an address of another; each kind has its own count. */
export type MailToAnother =
  'invitation-mail' | 'invitation-code-mail' | 'email-change-mail' | 'own-proof-mail';

/**
 * Counts a mail to an address that its sender has chosen, over all nodes: nobody may fill the
 * mailbox of somebody who never asked for mail. Call it in the transaction that queues the mail.
 * @param mail `from` is the tenant, if each tenant has mails of its own: one tenant must not be able
 * to use up those of another
 * @returns false if the address has had its mails of this kind on this day (UTC)
 */
export async function countMailTo(
  { keys }: { keys: KeyRing },
  tx: Tx,
  mail: { kind: MailToAnother; to: string; from?: string; now: Date },
): Promise<boolean> {
  const { kind, to, from, now } = mail;
  const day = Math.floor(now.getTime() / DAY_MS);
  const subject = attemptSubject(keys, kind, JSON.stringify([to, from ?? null, day]));
  const limits = { failures: MOST_A_DAY, tries: MOST_A_DAY };
  return (await reserveTry(tx, { scope: 'account', subject }, limits, now)) !== undefined;
}

/** Returns when {@link countMailTo} begins to count from zero again. */
export const mailsFreeAt = (now: Date): Date =>
  new Date((Math.floor(now.getTime() / DAY_MS) + 1) * DAY_MS);
