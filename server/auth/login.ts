import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import type { AuthDeps } from './deps';
import { forgetGuesses, settleDevice } from '../security';
import type { DeviceIdentity } from '../security';
import { listOpenMemberships, replacePasswordHash } from './accountStore';
import type { Membership, PasswordAccount } from './accountStore';
import { offerTenants } from './offerTenants';
import type { TokenPair } from './openSession';
import { approachLogin, describeApplicant } from './approachLogin';
import { signInMember } from './signInMember';
import type { SignInDeps } from './signInMember';
import { verifyCredentials } from './verifyCredentials';

export type LoginDeps = SignInDeps & Pick<AuthDeps, 'passwords' | 'lookUps'>;

export interface LoginInput {
  email: string;
  password: string;
  /** Slug or id of the tenant. */
  tenant?: string | undefined;
  rememberMe: boolean;
  /**
   * From the body or the cookie: the challenge of an earlier 428, which may have been verified
   * since.
   */
  challengeId?: string | undefined;
  device: DeviceIdentity;
  /** Called with the device cookie that the browser should keep. */
  onDevice?: (cookie: string) => void;
}

async function rehash(
  tx: Tx,
  ctx: RequestContext,
  who: { account: PasswordAccount; membership: Membership; newHash: string | undefined },
): Promise<void> {
  const { account, membership, newHash } = who;
  if (newHash === undefined) return;
  const hashes = { from: account.passwordHash, to: newHash };
  if (!(await replacePasswordHash(tx, account.userId, hashes))) return;
  await recordAudit(tx, ctx, {
    action: 'PASSWORD_REHASHED',
    outcome: 'success',
    tenantId: membership.tenantId,
    actor: 'system',
    subject: `user:${account.userId}`,
    details: {},
  });
}

/**
 * Checks the password. Only this part of a login takes a place in the hash queue, and only if the
 * address may have one.
 */
async function checkPassword(deps: LoginDeps, ctx: RequestContext, input: LoginInput) {
  const credentials = { ...input, cookieDeviceHashes: input.device.cookieHashes };
  const approach = await approachLogin(deps, ctx, credentials);
  const describe = () => describeApplicant(credentials, approach);
  return deps.passwords.admit(describe, () => verifyCredentials(deps, ctx, input, approach));
}

/**
 * Signs a person in with their password: checks the credentials, finds the tenant, and goes on as
 * {@link signInMember} says.
 * @throws AppError INVALID_CREDENTIALS, TENANT_SELECTION_REQUIRED, ENROLMENT_REQUIRED,
 * STEP_UP_REQUIRED, LOGIN_BLOCKED, TOO_MANY_ATTEMPTS, HASHING_BUSY; IP_BLOCKED and
 * IP_RULES_UNAVAILABLE only after the right password
 */
export async function login(
  deps: LoginDeps,
  ctx: RequestContext,
  asked: LoginInput,
): Promise<TokenPair> {
  const { account, ...failures } = await checkPassword(deps, ctx, asked);
  const { userId } = account;
  const device = await settleDevice(deps, asked.device, { userId, userAgent: ctx.userAgent });
  asked.onDevice?.(device.cookie);
  const fitting = listOpenMemberships(account, asked.tenant);
  const membership = fitting.length === 1 ? fitting[0] : undefined;
  if (!membership) return offerTenants(deps, ctx, fitting);
  const { rememberMe, challengeId, password } = asked;
  return signInMember(deps, ctx, {
    ...{ userId, membership, ...failures, rememberMe, device, challengeId, provider: null },
    async prepare() {
      const newHash = deps.passwords.isOutdated(account.passwordHash)
        ? await deps.passwords.hash(password)
        : undefined;
      return async (tx) => {
        // The staff row is locked by now. A password change locks it before the user row; locking
        // them in the opposite order here could deadlock.
        await rehash(tx, ctx, { account, membership, newHash });
        // After the lock that opening a session takes, because showing a code also locks the staff
        // member before the counters.
        await forgetGuesses(deps, tx, account.email);
      };
    },
  });
}
