import { AppError } from '../../../errors';
import { isSameSecret } from '../../../isSameSecret';
import type { KeyRing } from '../../../keyRing';
import { queueMail } from '../../../mail';
import { retryAfter } from '../../../http/retryAfter';
import { HOUR_MS, MINUTE_MS, MINUTE_SEC, SECOND_MS } from '../../../durations';
import { findChallenge } from '../challengeStore';
import type { Challenge } from '../challengeStore';
import { findAddressee, keepEmailCode, listCodesMailed, spendEmailCode } from '../emailCodeStore';
import { lockFactors } from '../factorStore';
import { newMailedCode } from '../mailedCode';
import type { Proof } from './proof';

/**
 * Limits on mailed codes: they protect the mailbox from a flood, and each mail is another code to
 * guess at.
 */
const MOST_A_CHALLENGE = 3;
const MOST_AN_HOUR = 10;
const PAUSE_SEC = MINUTE_SEC;

/** The hash is bound to the challenge, so a code answers no other one. */
const hashOf = (keys: KeyRing, challengeId: string, code: string) =>
  keys.hash('email-code', challengeId, code).toString('hex');

/**
 * @returns the time, in ms since the epoch, at which fewer than ten mails remain in the hour
 * before; 0 if that is already so
 */
function hourIsOverAt(mailed: readonly { createdAt: Date; emailsSent: number }[]): number {
  let sent = mailed.reduce((sum, { emailsSent }) => sum + emailsSent, 0);
  let freeAt = 0;
  for (const { createdAt, emailsSent } of mailed) {
    if (sent < MOST_AN_HOUR) break;
    sent -= emailsSent;
    freeAt = createdAt.getTime() + HOUR_MS;
  }
  return freeAt;
}

/**
 * Builds the error for too many mails. It sends `Retry-After` only if the pause and the hour end
 * while a code for this challenge can still be mailed.
 */
function tooManyMails(
  { emailSentAt, emailsSent, expiresAt }: Challenge,
  hourOverAt: number,
  now: Date,
): AppError {
  const pauseOverAt = (emailSentAt?.getTime() ?? 0) + PAUSE_SEC * SECOND_MS;
  const freeAt = new Date(Math.max(pauseOverAt, hourOverAt));
  const headers = retryAfter(now, freeAt);
  // The client may retry only after this number of whole seconds.
  const againAt = now.getTime() + Number(headers['retry-after']) * SECOND_MS;
  const lasts = expiresAt.getTime() - againAt >= LEAST_LEFT_MS;
  if (emailsSent < MOST_A_CHALLENGE && freeAt > now && lasts) {
    return new AppError('TOO_MANY_ATTEMPTS', { headers });
  }
  const detail =
    'No more codes are mailed for this challenge. Use the newest one, or send the original request again later.';
  return new AppError('TOO_MANY_ATTEMPTS', { detail });
}

/** A code that expires before the mail is read is useless. */
const LEAST_LEFT_MS = MINUTE_MS;

const textOf = (code: string, tenant: string, minutes: number) => `Your code for ${tenant}:

  ${code}

It works once, for ${minutes} ${minutes === 1 ? 'minute' : 'minutes'}, on the page that asked for it. Nobody from ${tenant} will ever ask you for this code.
If you did not ask for the code, somebody else knows your password: change it, and tell your administrator.
`;

/**
 * The proof by a mailed code, for people without a factor of their own. Mail is not a second factor
 * (NIST SP 800-63B-4): it only shows that the person also reads the mailbox. The audit log names
 * the method.
 */
export const emailProof: Proof = {
  method: 'email',
  isAvailable: ({ mail }) => Promise.resolve(mail.isAvailable()),
  async start(deps, ctx, tx, challenge) {
    const now = deps.clock.now();
    const leftMs = challenge.expiresAt.getTime() - now.getTime();
    if (leftMs < LEAST_LEFT_MS) {
      const detail = 'The challenge is about to expire. Send the original request again.';
      throw new AppError('CHALLENGE_NOT_FOUND', { detail });
    }
    const addressee = await findAddressee(tx, challenge);
    if (!addressee) throw new AppError('CHALLENGE_NOT_FOUND');
    // Lock first, so that concurrent requests of one person cannot exceed the limit.
    await lockFactors(tx, challenge.tenantId, challenge.staffId);
    const mailed = await listCodesMailed(tx, challenge, new Date(now.getTime() - HOUR_MS));
    const hourOverAt = hourIsOverAt(mailed);
    const code = newMailedCode(deps.random);
    const hash = hashOf(deps.keys, challenge.id, code);
    const sentBefore = new Date(now.getTime() - PAUSE_SEC * SECOND_MS);
    const limits = { most: MOST_A_CHALLENGE, sentBefore };
    if (hourOverAt > 0 || !(await keepEmailCode(tx, challenge, { hash, now }, limits))) {
      const current = (await findChallenge(tx, challenge.id)) ?? challenge;
      throw tooManyMails(current, hourOverAt, now);
    }
    // Rounded down: a mail must not promise more time than there is.
    const minutes = Math.floor(leftMs / MINUTE_MS);
    const { tenantId, userId, staffId, expiresAt } = challenge;
    await queueMail(deps, tx, {
      ...{ tenantId, userId, staffId, expiresAt, kind: 'step_up_code', to: addressee.email },
      subject: `Your code for ${addressee.tenantName}`,
      text: textOf(code, addressee.tenantName, minutes),
    });
    return { sent: true, expiresAt, againAfterSec: PAUSE_SEC };
  },
  fits: (answer, { emailCodeHash }) =>
    answer.kind === 'code' && emailCodeHash !== null && /^\d{6}$/.test(answer.code),
  check({ keys }, challenge, answer) {
    const { id, emailCodeHash } = challenge;
    if (answer.kind !== 'code' || emailCodeHash === null) return Promise.resolve('wrong_code');
    const hashes = keys.hashAll('email-code', id, answer.code).map((hash) => hash.toString('hex'));
    if (!hashes.some((hash) => isSameSecret(hash, emailCodeHash)))
      return Promise.resolve('wrong_code');
    return Promise.resolve((tx) => spendEmailCode(tx, challenge, emailCodeHash));
  },
};
