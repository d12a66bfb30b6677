import { lockMemberships } from '../auth';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import { databaseFault } from '../db/pgErrors';
import { inTenant } from '../db/tenantScope';
import type { ProfileDeps } from './deps';
import { AppError } from '../errors';
import { queueNotice } from '../mail';
import { changeEmail } from '../tenants';
import { fromChangeToken } from './emailChangeLink';
import { consumeChange, findChange } from './emailChangeStore';
import type { EmailChange } from './emailChangeStore';

type ReadDeps = Pick<ProfileDeps, 'db' | 'keys' | 'clock'>;

/**
 * Checks the link of a change of address. It changes nothing, because mail scanners fetch links.
 * @returns the change, confirmed or not
 * @throws AppError NOT_FOUND for an unknown, forged, ended or expired link, without distinguishing
 * them
 */
export async function readChangeLink(deps: ReadDeps, token: string): Promise<EmailChange> {
  const id = fromChangeToken(deps.keys, token);
  const change = id === null ? undefined : await findChange(deps.db, id);
  if (!change || change.expiresAt <= deps.clock.now()) throw new AppError('NOT_FOUND');
  return change;
}

/**
 * Consumes the change and writes the new address.
 * @returns false if another request has confirmed it since it was read
 */
async function confirm(
  deps: ProfileDeps,
  tx: Tx,
  ctx: RequestContext,
  change: EmailChange,
): Promise<boolean> {
  const { userId, from, to } = change;
  await lockMemberships(tx, userId);
  // Under the locks, so that nothing ends the sessions, and the change with them, at the same time.
  const current = await findChange(tx, change.id);
  if (!current) throw new AppError('NOT_FOUND');
  if (current.confirmed) return false;
  if (!(await consumeChange(tx, change, deps.clock.now()))) throw new AppError('NOT_FOUND');
  // Queue the notice while the stored address is still the old one.
  await queueNotice(deps, tx, ctx, change, { kind: 'email_changed' });
  const details = { change: 'renamed', via: 'api' } as const;
  const done = await changeEmail(deps, tx, ctx, { userId, from, to }, details);
  // The stored address is no longer the one that the person asked to change.
  if (!done) throw new AppError('NOT_FOUND');
  return true;
}

/**
 * Confirms a change of address: the person who opened the link reads the mailbox of the new address.
 * The address changes in all tenants, and each of them records STAFF_EMAIL_CHANGED. Pending proofs,
 * other pending changes and links for a new password end; sessions go on, because the change takes
 * no access away. If the change is confirmed already, nothing happens.
 * @throws AppError NOT_FOUND as {@link readChangeLink}; EMAIL_TAKEN if somebody else has the address
 * by now: the change stays pending
 */
export async function confirmEmailChange(
  deps: ProfileDeps,
  ctx: RequestContext,
  token: string,
): Promise<void> {
  const change = await readChangeLink(deps, token);
  if (change.confirmed) return;
  try {
    await inTenant(deps.db, change.tenantId, (tx) => confirm(deps, tx, ctx, change));
  } catch (error) {
    if (databaseFault(error) !== 'unique_violation') throw error;
    throw new AppError('EMAIL_TAKEN', { cause: error });
  }
  deps.mail.wake();
}
