import { recordAudit } from '../audit';
import { countLiveSessions, objectionsToPassword, readPasswordOwner } from '../auth';
import type { KnownCompromise } from '../auth';
import {
  attemptSubject,
  clearAttempts,
  countRecoveryCodes,
  forgetGuesses,
  listClosedAccounts,
  listFactors,
} from '../security';
import { forceLogout, forceLogoutAll, readMembership, setPassword } from '../tenants';
import { CommandError } from './commandError';
import { staffOf, tenantIdOf } from './findStaff';
import type { Invocation } from './invocation';
import { asOperator, asWriter } from './operatorContext';
import { instantOf, optional, readPassword, refusePassword, required } from './options';
import type { Options } from './options';
import { inTenant } from '../db/tenantScope';

/**
 * `--expire-password` and `--since` only refine `--compromised`. Without it they would silently do
 * nothing, so they are refused.
 */
function compromiseOf(options: Options): KnownCompromise | undefined {
  const expirePassword = options['expire-password'] === true;
  const from = optional(options, 'since');
  if (options['compromised'] !== true) {
    if (!expirePassword && from === undefined) return undefined;
    throw new CommandError('--expire-password and --since need --compromised.');
  }
  return { since: instantOf(options, 'since') ?? null, expirePassword };
}

/** Signs everybody in a tenant out. Options that name or describe one person are refused. */
function forceLogoutAllCommand(options: Options, invocation: Invocation) {
  const single = ['email', 'staff', 'compromised', 'expire-password', 'since'];
  const given = single.find((name) => options[name] !== undefined);
  if (given !== undefined) throw new CommandError(`--all cannot be used with --${given}.`);
  return asWriter(options, invocation, async (operator) => {
    const { deps, ctx } = operator;
    const tenantId = await tenantIdOf(operator, required(options, 'tenant'));
    const { ended } = await forceLogoutAll(deps, ctx, tenantId, { via: 'operator' });
    return { tenantId, forcedLogouts: ended };
  });
}

export function forceLogoutCommand(options: Options, invocation: Invocation) {
  if (options['all'] === true) return forceLogoutAllCommand(options, invocation);
  const compromise = compromiseOf(options);
  return asWriter(options, invocation, async (operator) => {
    const { tenantId, staffId } = await staffOf(operator, options);
    const { deps, ctx } = operator;
    const { passwordExpired } = await forceLogout(deps, ctx, tenantId, staffId, compromise);
    const done = { tenantId, staffId, forcedLogout: true };
    return compromise ? { ...done, compromised: true, passwordExpired } : done;
  });
}

export function unlockCommand(options: Options, invocation: Invocation) {
  return asWriter(options, invocation, async (operator) => {
    const { deps, ctx } = operator;
    const { tenantId, userId, staffId, email } = await staffOf(operator, options);
    await inTenant(deps.db, tenantId, async (tx) => {
      let cleared = await forgetGuesses(deps, tx, email);
      const codes = [
        attemptSubject(deps.keys, 'staff', staffId),
        attemptSubject(deps.keys, 'person', userId),
      ];
      for (const subject of codes) cleared += await clearAttempts(tx, ['step_up'], subject);
      if (cleared === 0) throw new CommandError(`'${email}' is not locked.`);
      await recordAudit(tx, ctx, {
        action: 'STAFF_UNLOCKED',
        outcome: 'success',
        tenantId,
        subject: `staff:${staffId}`,
        details: { via: 'operator' },
      });
    });
    return { tenantId, staffId, unlocked: true };
  });
}

/**
 * Sets a password. It reads the password first, so that no database connection waits while somebody
 * types.
 */
export async function setPasswordCommand(options: Options, invocation: Invocation) {
  if (options['password-stdin'] !== true) throw new CommandError('--password-stdin is missing.');
  const password = await readPassword(invocation);
  return asWriter(options, invocation, async (operator) => {
    const { deps, ctx } = operator;
    const { tenantId, userId, staffId } = await staffOf(operator, options);
    const owner = await readPasswordOwner(deps.db, userId);
    if (!owner) throw new CommandError('They were removed at the same time.');
    refusePassword(await objectionsToPassword(deps, password, owner));
    const passwordHash = await deps.passwords.hash(password);
    const staff = { tenantId, staffId };
    const memberships = await setPassword(deps, ctx, staff, passwordHash, 'operator');
    return { ...staff, passwordSet: true, memberships };
  });
}

type Closed = Awaited<ReturnType<typeof listClosedAccounts>>;

const lockedOf = (closed: Closed, staffId: string) =>
  closed
    .filter((one) => one.staffId === staffId)
    .map(({ what, since, until }) => ({ what, since, until }));

/**
 * Shows one person's membership: their roles, their permissions, their factors, and whether they can sign in. It
 * shows no secret.
 */
export function showStaffCommand(options: Options, invocation: Invocation) {
  return asOperator(invocation, async (operator) => {
    const { db, clock } = operator.deps;
    const who = await staffOf(operator, options);
    const { tenantId, staffId } = who;
    const membership = await readMembership(db, tenantId, staffId);
    if (!membership) throw new CommandError('They were removed at the same time.');
    const { sessionVersion, ...shown } = membership;
    const factors = await listFactors(db, tenantId, staffId);
    const codes = await countRecoveryCodes(db, tenantId, staffId);
    const count = (kind: 'totp' | 'passkey') => factors.filter(({ type }) => type === kind).length;
    const { roles, permissions, status } = shown;
    const member = { ...who, roles, permissions, status };
    const closed = await listClosedAccounts(operator.deps, tenantId, [member]);
    const version = { staffId, sessionVersion, now: clock.now() };
    return {
      ...who,
      ...shown,
      factors: { totp: count('totp'), passkey: count('passkey'), recoveryCodes: codes.left },
      sessions: await countLiveSessions(db, tenantId, version),
      locked: lockedOf(closed, staffId),
    };
  });
}
