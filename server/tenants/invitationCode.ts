import type { TenantDeps } from './deps';
import { MINUTE_MS, SECOND_MS } from '../durations';
import { AppError } from '../errors';
import { retryAfter } from '../http/retryAfter';
import { isSameSecret } from '../isSameSecret';
import { queueMail, writeInvitationCode } from '../mail';
import { attemptSubject, countMailTo, mailsFreeAt, newMailedCode } from '../security';
import { reserveTry, resetTries } from '../security';
import { openInvitation } from './invitationLink';
import { keepCode, resetCodeTries, takeCodeTry } from './invitationStore';
import type { Invitation } from './invitationStore';
import { inTenant } from '../db/tenantScope';

const CODE_MINUTES = 10;
const TRIES_A_CODE = 5;
const CODES_A_LINK = 5;
const PAUSE_SEC = 60;
/**
 * Wrong codes for one address since its last right one, over all invitations and tenants: an
 * inviter who sends an invitation again and again gets no more guesses.
 */
const TRIES_AN_ADDRESS = 40;

type CodeDeps = Pick<TenantDeps, 'db' | 'keys' | 'clock' | 'random' | 'mail'>;

/** The hash is bound to the link, so a code is valid for no other one. */
const partsOf = ({ id, linkId }: Pick<Invitation, 'id' | 'linkId'>, code: string) =>
  [id, linkId, code] as const;

function tooManyCodes({ codesSent, codeExpiresAt }: Invitation, now: Date): AppError {
  if (codesSent >= CODES_A_LINK || !codeExpiresAt) {
    return new AppError('TOO_MANY_ATTEMPTS', {
      detail: 'No more codes are mailed for this link. Ask for the invitation to be sent again.',
    });
  }
  const sentAt = codeExpiresAt.getTime() - CODE_MINUTES * MINUTE_MS;
  const freeAt = new Date(Math.max(sentAt + PAUSE_SEC * SECOND_MS, now.getTime()));
  return new AppError('TOO_MANY_ATTEMPTS', { headers: retryAfter(now, freeAt) });
}

export interface SentCode {
  sent: true;
  expiresAt: Date;
  /** The seconds after which another one can be sent. */
  againAfterSec: number;
}

/**
 * Mails a code to the invited address, which proves the address for a link that was handed over.
 * The answer is the same whether the person exists or not.
 * @param token the last part of the link
 * @throws AppError NOT_FOUND, INVITATION_EXPIRED; METHOD_UNAVAILABLE if the link was mailed itself,
 * or the server sends no mail; TOO_MANY_ATTEMPTS
 */
export async function sendInvitationCode(deps: CodeDeps, token: string): Promise<SentCode> {
  const { invitation, tenant } = await openInvitation(deps, token);
  if (invitation.delivery === 'mail') {
    const detail = 'This link was mailed to you, so it needs no code.';
    throw new AppError('METHOD_UNAVAILABLE', { detail });
  }
  if (!deps.mail.isAvailable()) {
    const detail =
      'This server sends no mail. Sign in, and accept the invitation with that session.';
    throw new AppError('METHOD_UNAVAILABLE', { detail });
  }
  const now = deps.clock.now();
  const code = newMailedCode(deps.random);
  const hash = deps.keys.hash('invitation-code', ...partsOf(invitation, code));
  const expiresAt = new Date(now.getTime() + CODE_MINUTES * MINUTE_MS);
  const endsBefore = new Date(expiresAt.getTime() - PAUSE_SEC * SECOND_MS);
  const limits = { most: CODES_A_LINK, endsBefore };
  await inTenant(deps.db, invitation.tenantId, async (tx) => {
    if (!(await keepCode(tx, invitation, { hash, expiresAt, now }, limits))) {
      throw tooManyCodes((await openInvitation({ ...deps, db: tx }, token)).invitation, now);
    }
    const counted = { kind: 'invitation-code-mail', now } as const;
    const { tenantId: from, email: to } = invitation;
    if (!(await countMailTo(deps, tx, { ...counted, to, from }))) {
      throw new AppError('TOO_MANY_ATTEMPTS', {
        detail: 'This address has had its codes of today. Ask for the invitation by mail.',
        headers: retryAfter(now, mailsFreeAt(now)),
      });
    }
    await queueMail(deps, tx, {
      ...{ tenantId: invitation.tenantId, userId: null, staffId: null, to: invitation.email },
      ...{ kind: 'invitation_code', expiresAt },
      ...writeInvitationCode({ tenantName: tenant.name, code, minutes: CODE_MINUTES }),
    });
  });
  deps.mail.wake();
  return { sent: true, expiresAt, againAfterSec: PAUSE_SEC };
}

/**
 * Checks the code that proves the invited address. Each try is taken before the comparison, so that
 * many at once cannot exceed the limit. A right code can be used again until the invitation is
 * accepted, because the password that came with it may have been refused.
 * @throws AppError INVALID_CODE for a code that is wrong, has expired, was never sent, or has no
 * tries left
 */
export async function checkInvitationCode(
  deps: Pick<TenantDeps, 'db' | 'keys' | 'clock'>,
  invitation: Invitation,
  code: string,
): Promise<void> {
  const { db, keys } = deps;
  const now = deps.clock.now();
  const subject = attemptSubject(keys, 'invitation-code', invitation.email);
  const ofAddress = { scope: 'account' as const, subject };
  const limits = { failures: TRIES_AN_ADDRESS, tries: TRIES_AN_ADDRESS };
  const kept = await takeCodeTry(db, invitation, { most: TRIES_A_CODE, now });
  if (!kept || (await reserveTry(db, ofAddress, limits, now)) === undefined) {
    throw new AppError('INVALID_CODE');
  }
  const hashes = keys.hashAll('invitation-code', ...partsOf(invitation, code));
  if (!hashes.some((hash) => isSameSecret(hash, kept))) throw new AppError('INVALID_CODE');
  await resetTries(db, ofAddress.scope, subject);
  await resetCodeTries(db, invitation, kept);
}
