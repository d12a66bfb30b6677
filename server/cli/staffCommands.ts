import { describeNewOwner, objectionsToPassword } from '../auth';
import { enrollTotpForStaff } from '../security';
import {
  changeAccess,
  createStaff,
  createStaffOfExisting,
  changeMembershipEnd,
  disableStaff,
  enableStaff,
  normalizeAddresses,
  removeStaff,
  resetFactors,
} from '../tenants';
import type { PermissionChange } from '../tenants';
import { storableText } from '../http/routeTable';
import { CommandError } from './commandError';
import { emailOption, openTenantIdOf, staffOf } from './findStaff';
import type { Invocation } from './invocation';
import { asWriter } from './operatorContext';
import type { Operator } from './operatorContext';
import { instantOf, listOf, readPassword, refusePassword, required } from './options';
import { rolesNamed } from './findRole';
import type { Options } from './options';
import { inTenant } from '../db/tenantScope';

/**
 * Returns the password for a new person, null for a new person without one, or undefined for a person
 * who exists. A password that would not be used is refused.
 */
async function passwordOption(
  options: Options,
  invocation: Invocation,
): Promise<string | null | undefined> {
  const existing = options['existing'] === true;
  const without = options['no-password'] === true;
  const given = options['password-stdin'] === true;
  if (existing && (given || without)) {
    throw new CommandError(
      `--existing cannot be used with --${given ? 'password-stdin' : 'no-password'}: the person's password stays as it is.`,
    );
  }
  if (given && without) {
    throw new CommandError('--no-password cannot be used with --password-stdin.');
  }
  if (existing) return undefined;
  if (without) return null;
  if (!given) {
    throw new CommandError(
      '--password-stdin is missing. For a person who is already staff of another tenant, give --existing instead; for one who signs in without a password, --no-password.',
    );
  }
  return readPassword(invocation);
}

async function hashNew(
  { deps }: Operator,
  password: string,
  person: { email: string; tenantId: string },
): Promise<string> {
  const owner = await describeNewOwner(deps.db, { ...person, name: null });
  refusePassword(await objectionsToPassword(deps, password, owner));
  return deps.passwords.hash(password);
}

export async function createStaffCommand(options: Options, invocation: Invocation) {
  const slug = required(options, 'tenant');
  const email = emailOption(options, 'email');
  const permissions = listOf(options, 'permissions');
  const totp = options['totp'] === true;
  const password = await passwordOption(options, invocation);
  return asWriter(options, invocation, async (operator) => {
    const { deps, ctx } = operator;
    const tenantId = await openTenantIdOf(operator, slug);
    const passwordHash =
      typeof password === 'string'
        ? await hashNew(operator, password, { email, tenantId })
        : password;
    const roles = await rolesNamed(operator, tenantId, listOf(options, 'role'));
    // Since the last run, an older release may have stored the same mailbox in another spelling.
    await normalizeAddresses(deps, ctx, 'operator');
    return inTenant(deps.db, tenantId, async (tx) => {
      const input = { tenantId, email, permissions, roles };
      const { userId, staffId, userCreated } =
        passwordHash === undefined
          ? await createStaffOfExisting(deps, tx, ctx, input, 'operator')
          : await createStaff(deps, tx, ctx, { ...input, passwordHash }, 'operator');
      const staff = { tenantId, userId, staffId };
      const totpSecret = totp
        ? await enrollTotpForStaff(deps, tx, ctx, staff, 'operator')
        : undefined;
      return { ...staff, userCreated, ...(totpSecret === undefined ? {} : { totpSecret }) };
    });
  });
}

/** Lets an operator disable or remove a tenant's last administrator. */
export const operatorAct = (options: Options) => ({
  via: 'operator' as const,
  insists: options['last-administrator'] === true,
});

export function removeCommand(options: Options, invocation: Invocation) {
  return asWriter(options, invocation, async (operator) => {
    const { tenantId, staffId } = await staffOf(operator, options);
    const staff = { tenantId, staffId };
    await removeStaff(operator.deps, operator.ctx, staff, operatorAct(options));
    return { ...staff, removed: true };
  });
}

export function resetFactorsCommand(options: Options, invocation: Invocation) {
  const reason = storableText(500).safeParse(required(options, 'reason').trim());
  if (!reason.success) throw new CommandError('--reason must have 1 to 500 characters.');
  return asWriter(options, invocation, async (operator) => {
    const { deps, ctx } = operator;
    const { tenantId, staffId } = await staffOf(operator, options);
    const staff = { tenantId, staffId };
    const done = await resetFactors(deps, ctx, staff, { via: 'operator' }, reason.data);
    return { ...staff, ...done };
  });
}

export function disableCommand(options: Options, invocation: Invocation) {
  return asWriter(options, invocation, async (operator) => {
    const { tenantId, staffId, email } = await staffOf(operator, options);
    const staff = { tenantId, staffId };
    const done = await disableStaff(operator.deps, operator.ctx, staff, operatorAct(options));
    if (!done) throw new CommandError(`'${email}' is already disabled.`);
    return { ...staff, disabled: true };
  });
}

export function enableCommand(options: Options, invocation: Invocation) {
  return asWriter(options, invocation, async (operator) => {
    const { tenantId, staffId, email } = await staffOf(operator, options);
    const staff = { tenantId, staffId };
    const done = await enableStaff(operator.deps, operator.ctx, staff, { via: 'operator' });
    if (!done) throw new CommandError(`'${email}' is not disabled.`);
    return { ...staff, disabled: false };
  });
}

/** Sets, changes or takes away the end of a membership. */
export function setEndCommand(options: Options, invocation: Invocation) {
  const endsAt = instantOf(options, 'ends-at') ?? null;
  if ((endsAt === null) !== (options['never'] === true)) {
    throw new CommandError('Give --ends-at with a time, or --never.');
  }
  return asWriter(options, invocation, async (operator) => {
    const { tenantId, staffId, email } = await staffOf(operator, options);
    const staff = { tenantId, staffId };
    const how = { via: 'operator' as const };
    const done = await changeMembershipEnd(operator.deps, operator.ctx, staff, endsAt, how);
    if (!done) throw new CommandError(`The membership of '${email}' has this end already.`);
    return { ...staff, endsAt };
  });
}

/**
 * Reads the change of permissions. An empty `--set` removes all of them; other combinations are
 * refused rather than guessed.
 */
function permissionChange(options: Options): PermissionChange {
  const [sets, adds, removes] = ['set', 'add', 'remove'].map(
    (name) => typeof options[name] === 'string',
  );
  if (sets === (adds || removes)) {
    throw new CommandError('Give either --set A,B, or --add A,B, --remove C or both.');
  }
  if (sets) return { set: listOf(options, 'set') };
  return { add: listOf(options, 'add'), remove: listOf(options, 'remove') };
}

export function permissionsCommand(options: Options, invocation: Invocation) {
  const change = permissionChange(options);
  return asWriter(options, invocation, async (operator) => {
    const { tenantId, staffId, email } = await staffOf(operator, options);
    const { deps, ctx } = operator;
    const staff = { tenantId, staffId };
    const { before, after, changed } = await changeAccess(
      deps,
      ctx,
      staff,
      { permissions: change },
      operatorAct(options),
    );
    if (!changed)
      throw new CommandError(
        `'${email}' already has exactly these permissions. Those that a role gives do not count: see staff roles.`,
      );
    return { ...staff, before: before.permissions, after: after.permissions };
  });
}

export function enrollTotpCommand(options: Options, invocation: Invocation) {
  return asWriter(options, invocation, async (operator) => {
    const { deps, ctx } = operator;
    const { tenantId, userId, staffId } = await staffOf(operator, options);
    const staff = { tenantId, userId, staffId };
    const totpSecret = await inTenant(deps.db, tenantId, (tx) =>
      enrollTotpForStaff(deps, tx, ctx, staff, 'operator'),
    );
    return { ...staff, totpSecret };
  });
}
