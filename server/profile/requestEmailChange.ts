import { recordAudit } from '../audit';
import { checkOwnPassword, lockMemberships } from '../auth';
import type { ShownPassword } from '../auth';
import type { Principal, RequestContext } from '../context';
import type { Tx } from '../db';
import type { ProfileDeps } from './deps';
import { DAY_MS } from '../durations';
import { AppError } from '../errors';
import type { Passage } from '../http/passage';
import { retryAfter } from '../http/retryAfter';
import { queueMail, queueNotice } from '../mail';
import { countMailTo, withProof } from '../security';
import { endPendingChanges } from '../tenants';
import { CHANGE_VALID_MS, toChangeLink } from './emailChangeLink';
import { confirmationMail, takenMail } from './emailChangeMail';
import { insertChange, isTaken, listChangesSince, readAddress } from './emailChangeStore';

/** Each one is a mail to an address that the caller chooses. */
const MOST_A_DAY = 5;

/** The answer, which is the same for an address that somebody else has. */
export interface PendingChange {
  email: string;
  expiresAt: Date;
}

/**
 * Checks the limits on requests for a change.
 * @throws AppError TOO_MANY_ATTEMPTS with the time at which another change may be asked for
 */
async function assertBudget(tx: Tx, userId: string, now: Date): Promise<void> {
  const begun = await listChangesSince(tx, userId, new Date(now.getTime() - DAY_MS));
  const oldest = begun.at(-MOST_A_DAY);
  if (!oldest) return;
  const freeAt = new Date(oldest.getTime() + DAY_MS);
  throw new AppError('TOO_MANY_ATTEMPTS', {
    detail: `You can ask for ${MOST_A_DAY} changes of your address a day.`,
    headers: retryAfter(now, freeAt),
  });
}

/**
 * Returns the origin of links in mails.
 * @throws AppError METHOD_UNAVAILABLE if no mail with a link can be sent
 */
function originOfLinks({ mail }: Pick<ProfileDeps, 'mail'>): string {
  if (mail.isAvailable() && mail.publicUrl !== undefined) return mail.publicUrl;
  const detail = 'This service sends no mails with links. Ask an operator to change your address.';
  throw new AppError('METHOD_UNAVAILABLE', { detail });
}

/**
 * Stores a pending change, and mails both addresses about it; the new one only if it has not had
 * too many such mails today, from all requesters together.
 */
async function begin(
  deps: ProfileDeps,
  tx: Tx,
  ctx: RequestContext,
  principal: Principal,
  change: PendingChange & { from: string; publicUrl: string; now: Date },
): Promise<void> {
  const { tenantId, staffId, userId, tenant } = principal;
  const whose = { tenantId, staffId, userId };
  const { email, expiresAt, now } = change;
  const id = deps.random.id();
  // The newest one counts. Two links would be two addresses, and the person expects one.
  await endPendingChanges(tx, userId, now);
  const addresses = { fromEmail: change.from, toEmail: email };
  await insertChange(tx, { id, ...whose, ...addresses, createdAt: now, expiresAt });
  await recordAudit(tx, ctx, {
    action: 'EMAIL_CHANGE_REQUESTED',
    outcome: 'success',
    subject: `staff:${staffId}`,
    details: {},
  });
  await queueNotice(deps, tx, ctx, whose, { kind: 'email_change_requested' });
  const link = toChangeLink(deps.keys, change.publicUrl, id);
  const taken = await isTaken(tx, email);
  // Silent, because the answer must not say that others have asked for this address.
  if (!(await countMailTo(deps, tx, { kind: 'email-change-mail', to: email, now }))) return;
  const mail = taken ? takenMail(tenant.name) : confirmationMail(tenant.name, link);
  await queueMail(deps, tx, { ...whose, to: email, kind: 'email_change', expiresAt, ...mail });
}

/**
 * Begins a change of the caller's address: it takes effect if somebody opens the link in the mail
 * to the new address. If somebody else has that address, everything is the same, except that the
 * mail has no link: nobody can find out who has an account. The old address gets a notice. The
 * password is asked for, because a thief who has only a session can enrol the first factor, and the
 * address decides who can reset the password.
 * @param passage the proof that this act consumes; a refused request consumes none
 * @param change the new address, in its normal form, and the password
 * @throws AppError INVALID_INPUT for the caller's own address; TOO_MANY_ATTEMPTS;
 * METHOD_UNAVAILABLE if no mail can be sent; STEP_UP_REQUIRED if another act used the proof;
 * WRONG_PASSWORD, NO_PASSWORD, HASHING_BUSY, CONFLICT
 */
export async function requestEmailChange(
  deps: ProfileDeps,
  ctx: RequestContext,
  principal: Principal,
  passage: Passage,
  change: ShownPassword & { email: string },
): Promise<PendingChange> {
  const { userId } = principal;
  const { email } = change;
  const publicUrl = originOfLinks(deps);
  await checkOwnPassword(deps, ctx, principal, change, 'EMAIL_CHANGE_REFUSED');
  const lockFirst = async (tx: Tx) => void (await lockMemberships(tx, userId));
  const act = async (tx: Tx) => {
    const now = deps.clock.now();
    const from = await readAddress(tx, userId);
    if (from === undefined) throw new AppError('NOT_FOUND');
    if (from === email) {
      throw new AppError('INVALID_INPUT', { detail: 'This is your address already.' });
    }
    await assertBudget(tx, userId, now);
    const pending = { email, expiresAt: new Date(now.getTime() + CHANGE_VALID_MS) };
    await begin(deps, tx, ctx, principal, { ...pending, from, publicUrl, now });
    return pending;
  };
  const pending = await withProof(deps, ctx, principal, passage, act, lockFirst);
  deps.mail.wake();
  return pending;
}
