import { recordAudit } from '../audit';
import type { AuditEvent } from '../audit';
import type { RequestContext } from '../context';
import type { AuthDeps } from './deps';
import { AppError } from '../errors';
import {
  EVERYBODY,
  TRIES_AFTER_FACTOR,
  TRIES_FOR_KNOWN_DEVICES,
  TRIES_FOR_KNOWN_NETWORKS,
  TRIES_FOR_STRANGERS,
  attemptSubject,
  countFailures,
  reserveTry,
  resetTries,
} from '../security';
import type { AttemptScope } from '../security';
import type { Approach, Credentials } from './approachLogin';
import { hasOwnPassword, listOpenMemberships } from './accountStore';
import type { Account, PasswordAccount } from './accountStore';
import { noticeGuesses } from './noticeGuesses';
import { recordSpray } from './recordSpray';

export interface VerifiedAccount {
  account: PasswordAccount;
  /** Failed logins of this account in the window before this one. */
  recentFailures: number;
  /** The number of different accounts on which logins from this address failed in the window. */
  accountsTried: number;
}

type CredentialDeps = Pick<
  AuthDeps,
  | 'db'
  | 'pool'
  | 'keys'
  | 'clock'
  | 'config'
  | 'passwords'
  | 'lookUps'
  | 'metrics'
  | 'random'
  | 'mail'
  | 'logger'
>;
type FailureReason = Extract<AuditEvent, { action: 'AUTH_LOGIN_FAILED' }>['details']['reason'];
type ToEvent = (reason: FailureReason, tenantId: string | null) => AuditEvent;

/** A try that was reserved. */
interface Try {
  scope: AttemptScope;
  subject: string;
  failures: number;
  /**
   * False if the try is reserved only to do the same work as others: the password is not checked
   * then.
   */
  counts: boolean;
}

/** Lists the counters that a login may use when the tries for strangers are used up. */
async function listOtherShares(
  deps: CredentialDeps,
  { subject, refusedUntil, familiar }: Approach,
): Promise<(Pick<Try, 'scope' | 'subject' | 'counts'> & { tries: number })[]> {
  const { device, network } = await familiar();
  const known = { subject, counts: true };
  const shares = [
    ...(device
      ? [{ ...known, scope: 'known_device' as const, tries: TRIES_FOR_KNOWN_DEVICES }]
      : []),
    // An address past its budget gets no such share, and must not reveal who has signed in there.
    ...(network && refusedUntil === null
      ? [{ ...known, scope: 'known_network' as const, tries: TRIES_FOR_KNOWN_NETWORKS }]
      : []),
  ];
  if (shares.length > 0) return shares;
  const nobody = attemptSubject(deps.keys, 'unfamiliar', subject);
  const tries = TRIES_FOR_KNOWN_NETWORKS;
  return [{ scope: 'known_network', subject: nobody, counts: false, tries }];
}

/**
 * Reserves a try for this account. If strangers have used theirs up, it reserves one of those kept
 * for devices and networks from which the owner has signed in, so that guessing cannot lock the
 * owner out. A login that has shown the factor has its own tries.
 */
async function takeTry(deps: CredentialDeps, approach: Approach): Promise<Try | undefined> {
  const now = deps.clock.now();
  const { subject } = approach;
  const perWindow = deps.config.loginFailures.perAccount;
  const take = async (one: Pick<Try, 'scope' | 'subject' | 'counts'>, tries: number) => {
    const key = { scope: one.scope, subject: one.subject };
    const failures = await reserveTry(deps.db, key, { failures: perWindow, tries }, now);
    return failures === undefined ? undefined : { ...one, failures };
  };
  if (approach.factorShown) {
    return take({ scope: 'after_factor', subject, counts: true }, TRIES_AFTER_FACTOR);
  }
  if (approach.refusedUntil === null) {
    const taken = await take({ scope: 'account', subject, counts: true }, TRIES_FOR_STRANGERS);
    if (taken) return taken;
  }
  for (const { tries, ...share } of await listOtherShares(deps, approach)) {
    const taken = await take(share, tries);
    if (taken) return taken;
  }
  return undefined;
}

/**
 * Returns the tenant in whose audit log a failed login belongs, or null if the account leaves a
 * doubt.
 */
function tenantOfFailure(account: Account | undefined, tenant: string | undefined): string | null {
  const memberships = account?.memberships ?? [];
  const named = memberships.filter(({ slug, tenantId }) => tenant === slug || tenant === tenantId);
  const candidates = tenant === undefined ? memberships : named;
  return candidates.length === 1 ? (candidates[0]?.tenantId ?? null) : null;
}

interface Failure {
  approach: Approach;
  taken?: Try;
  tenantId: string | null;
  toEvent: ToEvent;
}

/**
 * Counts and records a refused password. It writes the same rows for every kind of failure, so that
 * the work reveals nothing about the kind.
 */
async function refuse(
  deps: CredentialDeps,
  ctx: RequestContext,
  { approach, taken, tenantId, toEvent }: Failure,
  reason: FailureReason,
): Promise<{ refused: FailureReason }> {
  const { subject, address } = approach;
  await deps.db.transaction(async (tx) => {
    const keys = [
      { scope: taken?.scope ?? ('account' as const), subject: taken?.subject ?? subject },
      { scope: 'ip' as const, subject: address, account: subject },
      { scope: 'global' as const, subject: EVERYBODY },
    ];
    const counted = await countFailures(tx, keys, deps.clock.now());
    await recordAudit(tx, ctx, toEvent(reason, tenantId));
    await recordSpray(deps, tx, ctx, counted, address);
  });
  return { refused: reason };
}

function reasonToRefuse(
  account: Account | undefined,
  fits: boolean,
  tenant: string | undefined,
): FailureReason | undefined {
  if (!account) return 'unknown_account';
  if (!hasOwnPassword(account)) return 'no_password';
  if (!fits) return 'wrong_password';
  // Answered like a wrong password: someone else knew it, and must not learn that it was right.
  if (account.passwordExpired) return 'password_expired';
  if (listOpenMemberships(account).length === 0) return 'account_disabled';
  return listOpenMemberships(account, tenant).length === 0 ? 'no_membership' : undefined;
}

/**
 * Tries a password for an account, at a login or before a change of the password. Failures are
 * counted per account, per address and for the whole installation, in the same counters for both,
 * so that neither is a way around the limits of the other.
 * @param toEvent makes the event of a failure from its reason
 * @returns the account, or the reason for which the password was refused or not checked
 */
export async function tryPassword(
  deps: CredentialDeps,
  ctx: RequestContext,
  { password, tenant }: Pick<Credentials, 'password' | 'tenant'>,
  approach: Approach,
  toEvent: ToEvent,
): Promise<VerifiedAccount | { refused: FailureReason }> {
  const { account, accountsTried, subject } = approach;
  const taken = await takeTry(deps, approach);
  const looksAt = account && taken?.counts ? account.passwordHash : null;
  const fits = await deps.passwords.verify(looksAt, password);
  const tenantId = tenantOfFailure(account, tenant);
  const failure = { approach, tenantId, toEvent, ...(taken ? { taken } : {}) };
  if (!taken?.counts) {
    noticeGuesses(deps, ctx, { account, subject });
    return refuse(deps, ctx, failure, 'account_locked');
  }
  const reason = reasonToRefuse(account, fits, tenant);
  if (!account || !hasOwnPassword(account) || reason) {
    if (taken.failures + 1 >= deps.config.loginFailures.perAccount) {
      noticeGuesses(deps, ctx, { account, subject });
    }
    return refuse(deps, ctx, failure, reason ?? 'unknown_account');
  }
  await resetTries(deps.db, taken.scope, taken.subject);
  return { account, recentFailures: taken.failures, accountsTried };
}

/**
 * Checks an e-mail address and a password. Unknown, wrong, disabled, locked and foreign accounts,
 * and those without a password, take the same time and get the same answer (ASVS 6.3.8).
 * @throws AppError INVALID_CREDENTIALS
 */
export async function verifyCredentials(
  deps: CredentialDeps,
  ctx: RequestContext,
  credentials: Pick<Credentials, 'password' | 'tenant'>,
  approach: Approach,
): Promise<VerifiedAccount> {
  const tried = await tryPassword(deps, ctx, credentials, approach, (reason, tenantId) => ({
    action: 'AUTH_LOGIN_FAILED',
    outcome: 'failure',
    tenantId,
    subject: `account:${approach.subject}`,
    details: { reason },
  }));
  if (!('refused' in tried)) return tried;
  deps.metrics.logins.inc({ outcome: 'failed' });
  throw new AppError('INVALID_CREDENTIALS');
}
