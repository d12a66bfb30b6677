import type { Principal, RequestContext } from '../../context';
import type { AuthDeps } from '../deps';
import { AppError } from '../../errors';
import type { Passage } from '../../http/passage';
import { queueNotice } from '../../mail';
import { withProof } from '../../security';
import { invalidToken } from '../accessTokens';
import { approachLogin, describeApplicant, tryPassword } from '../verifyCredentials';
import type { VerifiedAccount } from '../verifyCredentials';
import { readPasswordOwner } from './passwordOwnerStore';
import { assertPasswordAllowed, passwordUnchanged } from './passwordPolicy';
import { lockMemberships } from './passwordStore';
import type { PasswordMembership } from './passwordStore';
import { replacePassword } from './replacePassword';

export interface PasswordChange {
  currentPassword: string;
  newPassword: string;
  /** The hashes of the device cookie, if the request brought a valid one. */
  cookieDeviceHashes: readonly string[];
}

/** The access token with which the session goes on; the earlier ones end. */
export interface ChangedPassword {
  accessToken: string;
  tokenType: 'Bearer';
  /** In seconds. */
  expiresIn: number;
}

/**
 * Checks the current password with the counters of a login, so that a stolen session is no way
 * around them.
 * @throws AppError WRONG_PASSWORD, TOO_MANY_ATTEMPTS, HASHING_BUSY, CONFLICT
 */
async function checkCurrent(
  deps: AuthDeps,
  ctx: RequestContext,
  { email, tenantId, userId, staffId }: Principal,
  { currentPassword: password, cookieDeviceHashes }: PasswordChange,
): Promise<VerifiedAccount> {
  const credentials = { email, password, tenant: tenantId, cookieDeviceHashes };
  const approach = await approachLogin(deps, ctx, credentials);
  // The address has moved to another person since the session was checked.
  if (approach.account?.userId !== userId) throw new AppError('CONFLICT');
  const tried = await deps.passwords.admit(
    () => describeApplicant(credentials, approach),
    () =>
      tryPassword(deps, ctx, credentials, approach, (reason) => ({
        action: 'PASSWORD_CHANGE_REFUSED',
        outcome: 'failure',
        tenantId,
        subject: `staff:${staffId}`,
        details: { reason: reason === 'account_locked' ? reason : 'wrong_password' },
      })),
  );
  if (!('refused' in tried)) return tried;
  throw new AppError(tried.refused === 'account_locked' ? 'TOO_MANY_ATTEMPTS' : 'WRONG_PASSWORD');
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
 * @throws AppError WRONG_PASSWORD, TOO_MANY_ATTEMPTS, HASHING_BUSY, PASSWORD_REFUSED;
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
  const { account } = await checkCurrent(deps, ctx, principal, change);
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
