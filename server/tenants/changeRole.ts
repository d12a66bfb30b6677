import { recordAudit } from '../audit';
import { isBuiltInRole } from '../builtInRoles';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import { assertRowId } from '../db/ids';
import type { TenantDeps } from './deps';
import { AppError } from '../errors';
import { administer } from './administer';
import type { Authority } from './administer';
import { assertAdministratorLeft, assertMayGive, assertMayManage } from './administration';
import type { Administration } from './administration';
import { toRole } from './effectivePermissions';
import { assertKnown } from './knownPermissions';
import type { ListedRole } from './listRoles';
import { planRewrites, writeRewrites } from './rewriteHolders';
import { assertNameFree } from './roleInput';
import type { RoleInput } from './roleInput';
import { listHolders, listOwnRoles, updateRole } from './roleStore';
import type { OwnRole, StoredRole } from './roleStore';

export interface RoleChange {
  /** The role's id. */
  id: string;
  /** What is to change; the rest stays. */
  set: Partial<RoleInput>;
  /** The time of the last change that the caller has seen; any if undefined. */
  seen?: Date | undefined;
  /** An operator means to take the last administrator's permissions. */
  insists?: boolean;
}

/**
 * Refuses an id that can be no role of a tenant's own.
 * @throws AppError BUILT_IN_ROLE, NOT_FOUND
 */
export function assertOwnRoleId(id: string): void {
  if (isBuiltInRole(id)) throw new AppError('BUILT_IN_ROLE');
  assertRowId(id);
}

const definitionOf = ({ name, description, permissions }: OwnRole) => ({
  ...{ name, description },
  permissions: [...permissions].sort(),
});

/** Checks a change of a role against what the actor may do, and returns the permissions that it adds. */
async function assertMayChange(
  tx: Tx,
  administration: Administration,
  roles: readonly StoredRole[],
  { before, after }: { before: OwnRole; after: OwnRole },
): Promise<void> {
  const added = after.permissions.filter((one) => !before.permissions.includes(one));
  await assertKnown(tx, added);
  assertMayGive(administration, added);
  assertNameFree(roles, after);
}

/**
 * Changes a role of the tenant's own, and the permissions of everybody who carries it. Each request
 * reads them again, so the change applies from the next request on. A change that changes nothing
 * records nothing.
 * @throws AppError BUILT_IN_ROLE; NOT_FOUND; CONFLICT if somebody has changed the role since it was
 * seen; UNKNOWN_PERMISSION; NOT_YOURS_TO_GIVE if it adds a permission that the actor does not hold;
 * NOT_YOURS_TO_MANAGE if somebody carries the role whose permissions the actor does not hold;
 * ROLE_NAME_TAKEN; LAST_ADMINISTRATOR; what `administer` throws
 */
export async function changeRole(
  deps: TenantDeps,
  ctx: RequestContext,
  authority: Authority,
  change: RoleChange,
): Promise<ListedRole> {
  const { set, seen, insists } = change;
  assertOwnRoleId(change.id);
  return administer(deps, ctx, authority, 'TENANT_ROLES_MANAGE', async (tx, administration) => {
    const { tenantId } = administration;
    const roles = await listOwnRoles(tx, tenantId);
    const before = roles.find(({ id }) => id === change.id.toLowerCase());
    if (!before) throw new AppError('NOT_FOUND');
    if (seen && seen.getTime() !== before.updatedAt.getTime()) throw new AppError('CONFLICT');
    const after: OwnRole = { id: before.id, ...definitionOf(before), ...set };
    await assertMayChange(tx, administration, roles, { before, after });
    const holders = await listHolders(tx, tenantId, before.id);
    for (const holder of holders) assertMayManage(administration, holder);
    const listed = { ...toRole(after), holders: holders.length };
    const details = { before: definitionOf(before), after: definitionOf(after) };
    if (JSON.stringify(details.before) === JSON.stringify(details.after)) {
      return { ...listed, updatedAt: before.updatedAt };
    }
    const rewrites = await planRewrites(tx, tenantId, holders, after);
    const updatedAt = await updateRole(tx, tenantId, after);
    await recordAudit(tx, ctx, {
      action: 'ROLE_UPDATED',
      outcome: 'success',
      tenantId,
      subject: `role:${before.id}`,
      details: { ...details, holders: holders.length, via: authority.via },
    });
    await writeRewrites(tx, ctx, tenantId, rewrites, authority.via);
    await assertAdministratorLeft(tx, administration, insists);
    return { ...listed, updatedAt };
  });
}
