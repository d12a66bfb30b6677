import { recordAudit } from '../audit';
import type { AuditEvent } from '../audit';
import { clientIp } from '../context';
import type { RequestContext } from '../context';
import type { Deps } from '../deps';
import { AppError } from '../errors';
import {
  TRIES_FOR_KNOWN_DEVICES,
  TRIES_FOR_STRANGERS,
  addressBlock,
  attemptSubject,
  countFailures,
  isKnownDevice,
  readAttempts,
  reserveTry,
  resetTries,
} from '../security';
import { findAccount } from './accountStore';
import type { Account } from './accountStore';
import { noticeGuesses } from './noticeGuesses';

export interface Credentials {
  email: string;
  password: string;
  /** The tenant that the client named, for the audit event of a failure. */
  tenant?: string | undefined;
  /** The device cookie's hash, where a cookie of ours came along. */
  cookieDeviceHash: string | null;
}

export interface VerifiedAccount {
  account: Account;
  /** Failed logins of this account in the window before this one. */
  recentFailures: number;
  /** Different accounts that logins from this address failed on in the window. */
  accountsTried: number;
}

type CredentialDeps = Pick<
  Deps,
  'db' | 'keys' | 'clock' | 'config' | 'passwords' | 'metrics' | 'random' | 'mail' | 'logger'
>;
type FailureReason = Extract<AuditEvent, { action: 'AUTH_LOGIN_FAILED' }>['details']['reason'];
type TryScope = 'account' | 'known_device';

const GLOBAL_SUBJECT = 'all';
const RETRY_AFTER = { 'retry-after': '900' };

/** Under a surge over the whole system each address gets a tenth of its budget. */
async function judgeAddress(
  deps: CredentialDeps,
  address: string,
): Promise<{ throttled: boolean; accountsTried: number }> {
  const counts = await readAttempts(
    deps.db,
    [
      { scope: 'ip', subject: address },
      { scope: 'global', subject: GLOBAL_SUBJECT },
    ],
    deps.clock.now(),
  );
  const { perIp, global } = deps.config.loginFailures;
  const surge = (counts.get('global')?.failures ?? 0) >= global;
  const { failures = 0, accounts = 0 } = counts.get('ip') ?? {};
  const throttled = failures >= (surge ? Math.ceil(perIp / 10) : perIp);
  return { throttled, accountsTried: accounts };
}

/**
 * Takes a try for this account, or, where strangers have used theirs up, one of those kept for devices
 * that the owner has signed in on: a lockout must not be a weapon.
 */
async function takeTry(
  deps: CredentialDeps,
  account: Account | undefined,
  credentials: Credentials,
  query: { subject: string; throttled: boolean },
): Promise<{ scope: TryScope; failures: number } | undefined> {
  const now = deps.clock.now();
  const limits = { failures: deps.config.loginFailures.perAccount };
  if (!query.throttled) {
    const key = { scope: 'account' as const, subject: query.subject };
    const failures = await reserveTry(deps.db, key, { ...limits, tries: TRIES_FOR_STRANGERS }, now);
    if (failures !== undefined) return { scope: 'account', failures };
  }
  if (!account || credentials.cookieDeviceHash === null) return undefined;
  if (!(await isKnownDevice(deps.db, account.userId, credentials.cookieDeviceHash)))
    return undefined;
  const key = { scope: 'known_device' as const, subject: query.subject };
  const failures = await reserveTry(
    deps.db,
    key,
    { ...limits, tries: TRIES_FOR_KNOWN_DEVICES },
    now,
  );
  return failures === undefined ? undefined : { scope: 'known_device', failures };
}

/** Whose log a failed login belongs in: only where the account leaves no doubt. */
function tenantOfFailure(account: Account | undefined, tenant: string | undefined): string | null {
  const memberships = account?.memberships ?? [];
  const named = memberships.filter(({ slug, tenantId }) => tenant === slug || tenant === tenantId);
  const candidates = tenant === undefined ? memberships : named;
  return candidates.length === 1 ? (candidates[0]?.tenantId ?? null) : null;
}

/** The same rows for every kind of failure, so that none can be told from another by the work it makes. */
async function refuse(
  deps: CredentialDeps,
  ctx: RequestContext,
  failure: { subject: string; address: string; scope: TryScope; tenantId: string | null },
  reason: FailureReason,
): Promise<never> {
  deps.metrics.logins.inc({ outcome: 'failed' });
  await deps.db.transaction(async (tx) => {
    const keys = [
      { scope: failure.scope, subject: failure.subject },
      { scope: 'ip' as const, subject: failure.address, account: failure.subject },
      { scope: 'global' as const, subject: GLOBAL_SUBJECT },
    ];
    await countFailures(tx, keys, deps.clock.now());
    await recordAudit(tx, ctx, {
      action: 'AUTH_LOGIN_FAILED',
      outcome: 'failure',
      tenantId: failure.tenantId,
      subject: `account:${failure.subject}`,
      details: { reason },
    });
  });
  throw new AppError('INVALID_CREDENTIALS');
}

function reasonToRefuse(
  account: Account | undefined,
  fits: boolean,
  tenant: string | undefined,
): FailureReason | undefined {
  if (!account) return 'unknown_account';
  if (!fits) return 'wrong_password';
  // Answered like a wrong one: somebody else knew it, and must not learn that it was right.
  if (account.passwordExpired) return 'password_expired';
  if (!account.active) return 'account_disabled';
  const usable = account.memberships.filter(({ active }) => active);
  if (usable.length === 0) return 'account_disabled';
  const named = usable.some(({ slug, tenantId }) => tenant === slug || tenant === tenantId);
  return tenant === undefined || named ? undefined : 'no_membership';
}

/**
 * Checks an e-mail and a password. Unknown, wrong, disabled, locked and foreign accounts cost the same
 * and answer the same (ASVS 6.3.8); failures are counted per account, per address and for the whole.
 * @throws AppError INVALID_CREDENTIALS, or TOO_MANY_ATTEMPTS by address, whoever is asked for
 */
export async function verifyCredentials(
  deps: CredentialDeps,
  ctx: RequestContext,
  credentials: Credentials,
): Promise<VerifiedAccount> {
  const { email, password, tenant } = credentials;
  const subject = attemptSubject(deps.keys, 'email', email);
  const address = attemptSubject(deps.keys, 'address', addressBlock(ctx.ip));
  // What a proxy does not tell apart is not refused as one.
  const { throttled, accountsTried } =
    clientIp(ctx) === null
      ? { throttled: false, accountsTried: 0 }
      : await judgeAddress(deps, address);
  const account = await findAccount(deps.db, email);
  const taken = await takeTry(deps, account, credentials, { subject, throttled });
  if (!taken && throttled) {
    deps.metrics.logins.inc({ outcome: 'throttled' });
    throw new AppError('TOO_MANY_ATTEMPTS', { headers: RETRY_AFTER });
  }
  const fits =
    account && taken
      ? await deps.passwords.verify(account.passwordHash, password)
      : await deps.passwords.verifyNothing(password);
  const tenantId = tenantOfFailure(account, tenant);
  const failure = { subject, address, scope: taken?.scope ?? ('account' as const), tenantId };
  const guessed = { account, subject };
  if (!taken) {
    noticeGuesses(deps, ctx, guessed);
    return refuse(deps, ctx, failure, 'account_locked');
  }
  const reason = reasonToRefuse(account, fits, tenant);
  if (!account || reason) {
    if (taken.failures + 1 >= deps.config.loginFailures.perAccount) {
      noticeGuesses(deps, ctx, guessed);
    }
    return refuse(deps, ctx, failure, reason ?? 'unknown_account');
  }
  await resetTries(deps.db, taken.scope, subject);
  return { account, recentFailures: taken.failures, accountsTried };
}
