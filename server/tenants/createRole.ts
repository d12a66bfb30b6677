import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { TenantDeps } from './deps';
import { AppError } from '../errors';
import { administer } from './administer';
import type { Authority } from './administer';
import { assertMayGive } from './administration';
import { toRole } from './effectivePermissions';
import { assertKnown } from './knownPermissions';
import type { ListedRole } from './listRoles';
import { assertNameFree } from './roleInput';
import type { RoleInput } from './roleInput';
import { insertRole, listOwnRoles } from './roleStore';

const MOST_ROLES = 100;

/**
 * Creates a role of the tenant's own.
 * @throws AppError UNKNOWN_PERMISSION; NOT_YOURS_TO_GIVE if it has a permission that the actor does
 * not hold; TOO_MANY_ROLES; ROLE_NAME_TAKEN; what `administer` throws
 */
export async function createRole(
  deps: TenantDeps,
  ctx: RequestContext,
  authority: Authority,
  input: RoleInput,
): Promise<ListedRole> {
  return administer(deps, ctx, authority, 'TENANT_ROLES_MANAGE', async (tx, administration) => {
    const { tenantId } = administration;
    await assertKnown(tx, input.permissions);
    assertMayGive(administration, input.permissions);
    const roles = await listOwnRoles(tx, tenantId);
    const role = { id: deps.random.id(), ...input };
    assertNameFree(roles, role);
    if (roles.length >= MOST_ROLES) throw new AppError('TOO_MANY_ROLES');
    const updatedAt = await insertRole(tx, tenantId, role);
    await recordAudit(tx, ctx, {
      action: 'ROLE_CREATED',
      outcome: 'success',
      tenantId,
      subject: `role:${role.id}`,
      details: { after: input, via: authority.via },
    });
    return { ...toRole(role), holders: 0, updatedAt };
  });
}
