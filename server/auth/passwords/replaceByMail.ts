import type { RequestContext } from '../../context';
import type { Tx } from '../../db';
import type { AuthDeps } from '../deps';
import { queueNotice } from '../../mail';
import type { NoticeDeps } from '../../mail';
import { forgetGuesses, hasFactor } from '../../security';
import { requireProofAtLogin } from '../accountStore';
import type { SessionMode } from '../withSessionTable';
import type { PasswordMembership } from './passwordStore';
import { replacePassword } from './replacePassword';
import type { Replacement } from './replacePassword';

type ByMail = Pick<Replacement, 'userId' | 'passwordHash' | 'memberships' | 'setAt'> & {
  email: string;
};

/**
 * Makes the next login need a proof in each tenant in which the person has a factor: access to the
 * mailbox alone must not be enough to sign in.
 */
async function demandFactors(
  deps: Pick<AuthDeps, 'config' | 'mail'>,
  tx: Tx,
  memberships: readonly PasswordMembership[],
): Promise<void> {
  for (const one of memberships) {
    if (await hasFactor(deps, tx, one)) await requireProofAtLogin(tx, one.tenantId, one.staffId);
  }
}

/**
 * Sets the password of a person who has shown that they read the mail to their address. It does what
 * {@link replacePassword} does, deletes the failed tries that locked the account, and queues a notice.
 * A second factor is still asked for at the next login.
 * @throws AppError CONFLICT if the password was replaced since `setAt`
 */
export async function replaceByMail(
  deps: NoticeDeps & Pick<AuthDeps, 'config'>,
  tx: Tx,
  ctx: RequestContext,
  mode: SessionMode,
  { email, ...what }: ByMail,
): Promise<void> {
  await replacePassword(deps, tx, ctx, mode, {
    ...what,
    event: { action: 'PASSWORD_CHANGED', details: { with: 'reset_link' } },
    reason: 'security_event',
  });
  await demandFactors(deps, tx, what.memberships);
  await forgetGuesses(deps, tx, email);
  const [first] = what.memberships;
  if (first) await queueNotice(deps, tx, ctx, first, { kind: 'password_reset' });
}
