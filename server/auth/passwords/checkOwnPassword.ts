import type { Principal, RequestContext } from '../../context';
import type { AuthDeps } from '../deps';
import { AppError } from '../../errors';
import { hasOwnPassword } from '../accountStore';
import { approachLogin, describeApplicant } from '../approachLogin';
import { tryPassword } from '../verifyCredentials';
import type { VerifiedAccount } from '../verifyCredentials';

/** The password that a signed-in person shows once more. */
export interface ShownPassword {
  currentPassword: string;
  /** The hashes of the device cookie, if the request brought a valid one. */
  cookieDeviceHashes: readonly string[];
}

/**
 * Checks the password of a signed-in person with the counters of a login, so that a stolen session
 * is no way around them.
 * @param refusal the action of the event of a failure
 * @throws AppError WRONG_PASSWORD, NO_PASSWORD, TOO_MANY_ATTEMPTS, HASHING_BUSY, CONFLICT
 */
export async function checkOwnPassword(
  deps: AuthDeps,
  ctx: RequestContext,
  { email, tenantId, userId, staffId }: Principal,
  { currentPassword: password, cookieDeviceHashes }: ShownPassword,
  refusal: 'PASSWORD_CHANGE_REFUSED' | 'EMAIL_CHANGE_REFUSED' | 'OWN_PROOF_REFUSED',
): Promise<VerifiedAccount> {
  const credentials = { email, password, tenant: tenantId, cookieDeviceHashes };
  const approach = await approachLogin(deps, ctx, credentials);
  // The address has moved to another person since the session was checked.
  if (approach.account?.userId !== userId) throw new AppError('CONFLICT');
  // There is nothing to guess, so this is no try. `GET /api/auth/me` says the same.
  if (!hasOwnPassword(approach.account)) throw new AppError('NO_PASSWORD');
  const tried = await deps.passwords.admit(
    () => describeApplicant(credentials, approach),
    () =>
      tryPassword(deps, ctx, credentials, approach, (reason) => ({
        action: refusal,
        outcome: 'failure',
        tenantId,
        subject: `staff:${staffId}`,
        details: { reason: reason === 'account_locked' ? reason : 'wrong_password' },
      })),
  );
  if (!('refused' in tried)) return tried;
  throw new AppError(tried.refused === 'account_locked' ? 'TOO_MANY_ATTEMPTS' : 'WRONG_PASSWORD');
}
