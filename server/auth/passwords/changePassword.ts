import type { Principal, RequestContext } from '../../context';
import type { AuthDeps } from '../deps';
import { AppError } from '../../errors';
import type { Passage } from '../../http/passage';
import { queueNotice } from '../../mail';
import { withProof } from '../../security';
import { invalidToken } from '../accessTokens';
import { checkOwnPassword } from './checkOwnPassword';
import type { ShownPassword } from './checkOwnPassword';
import { readPasswordOwner } from './passwordOwnerStore';
import { assertPasswordAllowed, passwordUnchanged } from './passwordPolicy';
import { lockMemberships } from './passwordStore';
import type { PasswordMembership } from './passwordStore';
import { replacePassword } from './replacePassword';

export interface PasswordChange extends ShownPassword {
  newPassword: string;
}

/** The access token with which the session goes on; the earlier ones end. */
export interface ChangedPassword {
  accessToken: string;
  tokenType: 'Bearer';
  /** In seconds. */
  expiresIn: number;
}

/** @throws AppError PASSWORD_REFUSED with every reason */
async function checkNew(
  deps: AuthDeps,
  { userId }: Principal,
  { currentPassword, newPassword }: PasswordChange,
): Promise<void> {
  const owner = await readPasswordOwner(deps.db, userId);
  if (!owner) throw invalidToken();
  if (newPassword.normalize('NFKC') === currentPassword.normalize('NFKC')) {
    throw passwordUnchanged();
  }
  await assertPasswordAllowed(deps, newPassword, owner);
}

/**
 * Changes the caller's own password, in every tenant. All other sessions end, and open links for a
 * new password. This session goes on with its refresh token, and with the access token of the
 * answer.
 * @param passage the proof that this act consumes; a refused password consumes none
 * @throws AppError WRONG_PASSWORD, NO_PASSWORD, TOO_MANY_ATTEMPTS, HASHING_BUSY, PASSWORD_REFUSED;
 * STEP_UP_REQUIRED if another act used the proof; CONFLICT if the password was changed in the
 * meantime; UNAUTHENTICATED if the session has ended; SCHEMA_UNAVAILABLE for a token without a
 * session, since no session could go on
 */
export async function changePassword(
  deps: AuthDeps,
  ctx: RequestContext,
  principal: Principal,
  passage: Passage,
  change: PasswordChange,
): Promise<ChangedPassword> {
  const { tenantId, userId, staffId, sessionId } = principal;
  if (sessionId === null) {
    throw new AppError('SCHEMA_UNAVAILABLE', {
      detail: 'A change of the password needs a session. Sign in again later.',
    });
  }
  const { account } = await checkOwnPassword(
    deps,
    ctx,
    principal,
    change,
    'PASSWORD_CHANGE_REFUSED',
  );
  await checkNew(deps, principal, change);
  const passwordHash = await deps.passwords.hash(change.newPassword);
  let memberships: PasswordMembership[] = [];
  const version = await withProof(
    deps,
    ctx,
    principal,
    passage,
    async (tx) => {
      const kept = await replacePassword(deps, tx, ctx, 'normal', {
        ...{ userId, passwordHash, memberships, setAt: account.passwordChangedAt },
        event: { action: 'PASSWORD_CHANGED', details: { with: 'current_password' } },
        reason: 'manual',
        keep: { tenantId, sessionId },
      });
      await queueNotice(deps, tx, ctx, { tenantId, staffId }, { kind: 'password_changed' });
      return kept;
    },
    async (tx) => void (memberships = await lockMemberships(tx, userId)),
  );
  deps.mail.wake();
  for (const one of memberships) deps.riskFacts.forget(one.tenantId, one.staffId);
  const sessionVersion = version ?? principal.sessionVersion;
  const subject = { userId, tenantId, sid: sessionId, sessionVersion, degraded: false };
  const { accessToken, expiresIn } = deps.accessTokens.issue(subject);
  return { accessToken, tokenType: 'Bearer', expiresIn };
}
