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
import { privilegedAmong } from './knownPermissions';
import type { ListedRole } from './listRoles';
import { planRewrites, writeRewrites } from './rewriteHolders';
import { assertNameFree } from './roleInput';
import type { RoleInput } from './roleInput';
import { writeOrAsk } from './roleOutcome';
import type { PreparedRole, RoleOutcome } from './roleOutcome';
import { listHolders, listOwnRoles, updateRole } from './roleStore';
import type { OwnRole } from './roleStore';

export interface RoleChange {
  /** The role's id. */
  id: string;
  /** The fields to change; the others stay. */
  set: Partial<RoleInput>;
  /** The time of the last change that the caller has seen. Undefined means any time. */
  seen?: Date | undefined;
  /** The operator accepts that the tenant loses its last administrator. */
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

/**
 * Works out a change of a role, and checks that the actor of the administration may make it.
 * @returns the change, and whether it changes anything
 */
export async function prepareRoleChange(
  tx: Tx,
  administration: Administration,
  { id, set, seen }: RoleChange,
): Promise<{ prepared: PreparedRole; unchanged: ListedRole | undefined }> {
  const { tenantId } = administration;
  const roles = await listOwnRoles(tx, tenantId);
  const before = roles.find((role) => role.id === id.toLowerCase());
  if (!before) throw new AppError('NOT_FOUND');
  if (seen && seen.getTime() !== before.updatedAt.getTime()) throw new AppError('CONFLICT');
  const after: OwnRole = { id: before.id, ...definitionOf(before), ...set };
  const added = after.permissions.filter((one) => !before.permissions.includes(one));
  const privileged = await privilegedAmong(tx, added);
  assertMayGive(administration, added);
  assertNameFree(roles, after);
  const holders = await listHolders(tx, tenantId, before.id);
  for (const holder of holders) assertMayManage(administration, holder);
  const listed = { ...toRole(after), holders: holders.length };
  const details = { before: definitionOf(before), after: definitionOf(after) };
  const isSame = JSON.stringify(details.before) === JSON.stringify(details.after);
  const rewrites = await planRewrites(tx, tenantId, holders, after);
  const prepared: PreparedRole = {
    effect: { ...details, holders: holders.map(({ staffId }) => staffId) },
    about: `role:${before.id}`,
    given: added,
    members: holders,
    privileged,
    async write(ctx, provenance) {
      const updatedAt = await updateRole(tx, tenantId, after);
      await recordAudit(tx, ctx, {
        action: 'ROLE_UPDATED',
        outcome: 'success',
        tenantId,
        subject: `role:${before.id}`,
        details: { ...details, holders: holders.length, ...provenance },
      });
      await writeRewrites(tx, ctx, tenantId, rewrites, provenance);
      return { ...listed, updatedAt };
    },
  };
  return { prepared, unchanged: isSame ? { ...listed, updatedAt: before.updatedAt } : undefined };
}

/**
 * Changes a role of the tenant's own, and the permissions of everybody who carries it. Each request
 * reads them again, so the change applies from the next request on. A change that changes nothing
 * records nothing.
 * @returns the role, or the request if the change waits for an approval
 * @throws AppError BUILT_IN_ROLE; NOT_FOUND; CONFLICT if somebody has changed the role since it was
 * seen; UNKNOWN_PERMISSION; NOT_YOURS_TO_GIVE if it adds a permission that the actor does not hold;
 * NOT_YOURS_TO_MANAGE if somebody carries the role whose permissions the actor does not hold;
 * ROLE_NAME_TAKEN; LAST_ADMINISTRATOR; NO_APPROVER; what `administer` throws
 */
export async function changeRole(
  deps: TenantDeps,
  ctx: RequestContext,
  authority: Authority,
  change: RoleChange,
): Promise<RoleOutcome> {
  assertOwnRoleId(change.id);
  return administer(deps, ctx, authority, 'TENANT_ROLES_MANAGE', async (tx, administration) => {
    const { prepared, unchanged } = await prepareRoleChange(tx, administration, change);
    if (unchanged) return { role: unchanged };
    const wanted = { id: change.id, set: change.set };
    const { via } = authority;
    const outcome = await writeOrAsk(deps, tx, ctx, administration, { prepared, wanted, via });
    await assertAdministratorLeft(tx, administration, change.insists);
    return outcome;
  });
}
