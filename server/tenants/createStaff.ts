import { z } from 'zod';
import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import type { TenantDeps } from './deps';
import { emailField } from '../http/emailAddress';
import { PERMISSION_NAME } from '../permissions';
import { beginAdministration } from './administration';
import { effectivePermissions, findAllRoles } from './effectivePermissions';
import { assertKnown } from './knownPermissions';
import { insertPersonWithoutPassword } from './insertPersonWithoutPassword';
import { findMembershipByEmail, reviveStaff } from './joinStore';
import { findUserByEmail, insertStaff, insertUserIfNew } from './tenantStore';

export const staffInput = z.object({
  email: emailField,
  permissions: z
    .array(
      z.string().regex(PERMISSION_NAME, 'permissions are UPPER_SNAKE_CASE, or begin with app:'),
    )
    .max(200),
});

/**
 * The person exists although the caller expected a new one, or the other way round; `message` is a
 * sentence for the user.
 */
export class KnownPersonError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'KnownPersonError';
  }
}

type NewStaff = z.input<typeof staffInput> & {
  tenantId: string;
  /** The ids of roles. */
  roles?: readonly string[];
};

/**
 * Creates a new person, and makes them a staff member of a tenant.
 * @param input a null `passwordHash` makes a person without a password
 * @throws KnownPersonError if somebody already has this address: nobody else decides about their
 * password, and a given one would be lost. AppError UNKNOWN_PERMISSION, UNKNOWN_ROLE; ZodError; the driver's
 * unique violation if they are staff of this tenant already
 */
export async function createStaff(
  deps: Pick<TenantDeps, 'random' | 'clock'>,
  tx: Tx,
  ctx: RequestContext,
  input: NewStaff & { passwordHash: string | null },
  via: 'operator' | 'bootstrap',
): Promise<{ userId: string; staffId: string; userCreated: boolean }> {
  const { email } = staffInput.parse(input);
  await beginAdministration(tx, ctx, input.tenantId, 'TENANT_STAFF_MANAGE');
  const { passwordHash } = input;
  const now = deps.clock.now();
  const { id: userId, created: userCreated } =
    passwordHash === null
      ? await insertPersonWithoutPassword(deps, tx, { email, name: null })
      : await insertUserIfNew(tx, {
          ...{ id: deps.random.id(), email, emailNormalized: true, passwordHash },
          ...{ passwordChangedAt: now, createdAt: now },
        });
  const staffId = await addMembership(deps, tx, ctx, { ...input, userId }, via);
  // After the membership was added: if they are staff already, its error is more precise.
  if (!userCreated) {
    throw new KnownPersonError(
      `'${email}' is known already, and nobody else decides about their password. Give --existing instead. Nothing was changed.`,
    );
  }
  return { userId, staffId, userCreated };
}

/**
 * Makes a person who is staff elsewhere, or was staff here, a staff member of this tenant. They keep
 * their password, if they have one.
 * @throws KnownPersonError if nobody has this address. AppError UNKNOWN_PERMISSION, UNKNOWN_ROLE;
 * ZodError; the driver's unique violation if they are staff of this tenant already
 */
export async function createStaffOfExisting(
  deps: Pick<TenantDeps, 'random' | 'clock'>,
  tx: Tx,
  ctx: RequestContext,
  input: NewStaff,
  via: 'operator',
): Promise<{ userId: string; staffId: string; userCreated: boolean }> {
  const { email } = staffInput.parse(input);
  await beginAdministration(tx, ctx, input.tenantId, 'TENANT_STAFF_MANAGE');
  const userId = await findUserByEmail(tx, email);
  if (userId === undefined) {
    throw new KnownPersonError(
      `Nobody has the address '${email}'. Leave out --existing, and give --password-stdin or --no-password.`,
    );
  }
  const staffId = await addMembership(deps, tx, ctx, { ...input, userId }, via);
  return { userId, staffId, userCreated: false };
}

async function addMembership(
  deps: Pick<TenantDeps, 'random' | 'clock'>,
  tx: Tx,
  ctx: RequestContext,
  input: NewStaff & { userId: string },
  via: 'operator' | 'bootstrap',
): Promise<string> {
  const { tenantId, userId } = input;
  const given = await findAllRoles(tx, tenantId, input.roles ?? []);
  const direct = staffInput.parse(input).permissions;
  await assertKnown(tx, direct);
  const permissions = effectivePermissions(given, direct);
  const roles = given.map(({ id }) => id).sort();
  const known = await findMembershipByEmail(tx, tenantId, staffInput.parse(input).email);
  const former = known?.status === 'removed' ? known : undefined;
  const staffId = former?.staffId ?? deps.random.id();
  if (former) await reviveStaff(tx, tenantId, { staffId, roles, permissions, endsAt: null });
  else {
    const createdAt = deps.clock.now();
    await insertStaff(tx, { id: staffId, tenantId, userId, roles, permissions, createdAt });
  }
  await recordAudit(tx, ctx, {
    action: 'STAFF_CREATED',
    outcome: 'success',
    tenantId,
    subject: `staff:${staffId}`,
    details: { permissions, roles, ...(former ? { rejoined: true } : {}), via },
  });
  return staffId;
}
