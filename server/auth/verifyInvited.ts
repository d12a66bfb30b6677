import type { RequestContext } from '../context';
import type { AuthDeps } from './deps';
import { findAccount } from './accountStore';
import type { Account } from './accountStore';
import { approachLogin, describeApplicant } from './approachLogin';
import { verifyCredentials } from './verifyCredentials';

/** Finds the person with this address, who need not be a member of any tenant. */
export const findPerson = (
  deps: Pick<AuthDeps, 'db'>,
  email: string,
): Promise<Account | undefined> => findAccount(deps.db, email);

/**
 * Checks the password of a person who accepts an invitation, with the counters, the limits and the
 * time of a login. They may be a member of no tenant, so the checks treat them as the member that the
 * invitation makes them. A failure is recorded in the tenant that invited them.
 * @returns the person's id
 * @throws AppError INVALID_CREDENTIALS, TOO_MANY_ATTEMPTS, HASHING_BUSY
 */
export async function verifyInvited(
  deps: AuthDeps,
  ctx: RequestContext,
  invited: {
    email: string;
    password: string;
    tenant: { id: string; slug: string; name: string };
    cookieDeviceHashes: readonly string[];
  },
): Promise<string> {
  const { email, password, tenant, cookieDeviceHashes } = invited;
  const credentials = { email, password, tenant: tenant.id, cookieDeviceHashes };
  const found = await approachLogin(deps, ctx, credentials);
  const joining = {
    ...{ tenantId: tenant.id, slug: tenant.slug, name: tenant.name },
    ...{ staffId: deps.random.id(), sessionVersion: 1, mustProveLogin: false, active: true },
  };
  const asMember = (account: Account): Account => {
    const elsewhere = account.memberships.filter(({ tenantId }) => tenantId !== tenant.id);
    return { ...account, memberships: [...elsewhere, joining] };
  };
  const approach = { ...found, account: found.account && asMember(found.account) };
  const { account } = await deps.passwords.admit(
    () => describeApplicant(credentials, approach),
    () => verifyCredentials(deps, ctx, credentials, approach),
  );
  return account.userId;
}
