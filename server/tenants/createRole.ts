import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import type { TenantDeps } from './deps';
import { AppError } from '../errors';
import { administer } from './administer';
import type { Authority } from './administer';
import { assertMayGive } from './administration';
import type { Administration } from './administration';
import { toRole } from './effectivePermissions';
import { privilegedAmong } from './knownPermissions';
import { assertNameFree } from './roleInput';
import type { RoleInput } from './roleInput';
import { writeOrAsk } from './roleOutcome';
import type { PreparedRole, RoleOutcome } from './roleOutcome';
import { insertRole, listOwnRoles } from './roleStore';

const MOST_ROLES = 100;

/** Works out a new role, and checks that the actor of the administration may create it. */
export async function prepareNewRole(
  { random }: Pick<TenantDeps, 'random'>,
  tx: Tx,
  administration: Administration,
  input: RoleInput,
): Promise<PreparedRole> {
  const { tenantId } = administration;
  const privileged = await privilegedAmong(tx, input.permissions);
  assertMayGive(administration, input.permissions);
  const roles = await listOwnRoles(tx, tenantId);
  const role = { id: random.id(), ...input };
  assertNameFree(roles, role);
  if (roles.length >= MOST_ROLES) throw new AppError('TOO_MANY_ROLES');
  return {
    // The id is not part of it: it is another one when the change is prepared again.
    effect: { before: null, after: input, holders: [] },
    about: null,
    given: input.permissions,
    members: [],
    privileged,
    async write(ctx, provenance) {
      const updatedAt = await insertRole(tx, tenantId, role);
      await recordAudit(tx, ctx, {
        action: 'ROLE_CREATED',
        outcome: 'success',
        tenantId,
        subject: `role:${role.id}`,
        details: { after: input, ...provenance },
      });
      return { ...toRole(role), holders: 0, updatedAt };
    },
  };
}

/**
 * Creates a role of the tenant's own.
 * @returns the role, or the request if it waits for an approval
 * @throws AppError UNKNOWN_PERMISSION; NOT_YOURS_TO_GIVE if it has a permission that the actor does
 * not hold; TOO_MANY_ROLES; ROLE_NAME_TAKEN; NO_APPROVER; what `administer` throws
 */
export async function createRole(
  deps: TenantDeps,
  ctx: RequestContext,
  authority: Authority,
  input: RoleInput,
): Promise<RoleOutcome> {
  return administer(deps, ctx, authority, 'TENANT_ROLES_MANAGE', async (tx, administration) => {
    const prepared = await prepareNewRole(deps, tx, administration, input);
    const wanted = { set: input };
    return writeOrAsk(deps, tx, ctx, administration, { prepared, wanted, via: authority.via });
  });
}
