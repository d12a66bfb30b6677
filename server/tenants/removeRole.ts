import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { TenantDeps } from './deps';
import { AppError } from '../errors';
import { administer } from './administer';
import type { Authority } from './administer';
import { assertOwnRoleId } from './changeRole';
import { countInvitationsTo, deleteRole, listHolders, readOwnRoles } from './roleStore';

/**
 * Deletes a role of the tenant's own that nobody carries.
 * @throws AppError BUILT_IN_ROLE; NOT_FOUND; ROLE_IN_USE with the numbers of members who carry it
 * and of open invitations that name it; what `administer` throws
 */
export async function removeRole(
  deps: TenantDeps,
  ctx: RequestContext,
  authority: Authority,
  roleId: string,
): Promise<void> {
  assertOwnRoleId(roleId);
  await administer(deps, ctx, authority, 'TENANT_ROLES_MANAGE', async (tx, { tenantId }) => {
    const [role] = await readOwnRoles(tx, tenantId, [roleId]);
    if (!role) throw new AppError('NOT_FOUND');
    const holders = (await listHolders(tx, tenantId, role.id)).length;
    const invitations = await countInvitationsTo(tx, tenantId, role.id);
    if (holders + invitations > 0) {
      throw new AppError('ROLE_IN_USE', {
        detail: `Members who carry it: ${holders}. Open invitations that name it: ${invitations}.`,
        extra: { holders, invitations },
      });
    }
    await deleteRole(tx, tenantId, role.id);
    const { name, description, permissions } = role;
    await recordAudit(tx, ctx, {
      action: 'ROLE_DELETED',
      outcome: 'success',
      tenantId,
      subject: `role:${role.id}`,
      details: { before: { name, description, permissions }, via: authority.via },
    });
  });
}
