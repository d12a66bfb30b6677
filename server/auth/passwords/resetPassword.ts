import type { RequestContext } from '../../context';
import type { AuthDeps } from '../deps';
import { AppError } from '../../errors';
import { domainOf } from '../../mailAddress';
import { attemptSubject, addressBlock } from '../../security';
import { withSessionTable } from '../withSessionTable';
import { readPasswordHash, readPasswordOwner } from './passwordOwnerStore';
import { assertPasswordAllowed, passwordUnchanged } from './passwordPolicy';
import { consumeReset, findReset } from './passwordResetStore';
import { lockMemberships } from './passwordStore';
import { replaceByMail } from './replaceByMail';
import { readResetToken } from './resetLink';

interface OpenLink {
  id: string;
  userId: string;
}

/**
 * Reads a link for a new password. It changes nothing, because mail scanners open links.
 * @throws AppError NOT_FOUND for an unknown, forged, used, replaced or expired link, without
 * distinguishing them
 */
export async function readResetLink(
  deps: Pick<AuthDeps, 'db' | 'keys' | 'clock'>,
  token: string,
): Promise<OpenLink> {
  const id = readResetToken(deps.keys, token);
  const userId = id === null ? undefined : await findReset(deps.db, id, deps.clock.now());
  if (id === null || userId === undefined) throw new AppError('NOT_FOUND');
  return { id, userId };
}

/**
 * Hashes a password that is not the one that the person has: it may have expired because somebody
 * else knows it.
 * @throws AppError PASSWORD_REFUSED
 */
async function hashAnother(
  { db, passwords }: Pick<AuthDeps, 'db' | 'passwords'>,
  userId: string,
  newPassword: string,
): Promise<string> {
  const current = await readPasswordHash(db, userId);
  if (await passwords.verify(current, newPassword)) throw passwordUnchanged();
  return passwords.hash(newPassword);
}

/**
 * Sets a new password, or the first one, with a link that was mailed to the person. The link is consumed, all sessions
 * of the person end in every tenant, and the failed tries that locked the account are deleted. Nobody
 * is signed in, and a second factor is still asked for. A refused password does not use up the link.
 * @throws AppError NOT_FOUND as {@link readResetLink}; PASSWORD_REFUSED; HASHING_BUSY
 */
export async function resetPassword(
  deps: AuthDeps,
  ctx: RequestContext,
  token: string,
  newPassword: string,
): Promise<void> {
  const { id, userId } = await readResetLink(deps, token);
  const owner = await readPasswordOwner(deps.db, userId);
  if (!owner) throw new AppError('NOT_FOUND');
  await assertPasswordAllowed(deps, newPassword, owner);
  const block = attemptSubject(deps.keys, 'address', addressBlock(ctx.ip));
  const passwordHash = await deps.passwords.admit(
    () => Promise.resolve({ block, domain: domainOf(owner.email), familiar: false }),
    () => hashAnother(deps, userId, newPassword),
  );
  const memberships = await withSessionTable(deps, (mode) =>
    deps.db.transaction(async (tx) => {
      const all = await lockMemberships(tx, userId);
      if (!(await consumeReset(tx, id, deps.clock.now()))) throw new AppError('NOT_FOUND');
      await replaceByMail(deps, tx, ctx, mode, {
        ...{ userId, passwordHash, memberships: all, email: owner.email },
      });
      return all;
    }),
  );
  deps.mail.wake();
  for (const one of memberships) deps.riskFacts.forget(one.tenantId, one.staffId);
}
