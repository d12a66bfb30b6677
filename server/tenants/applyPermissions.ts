import { recordAudits } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import { effectivePermissions, findRoles, inOrder } from './effectivePermissions';
import { listWithdrawn } from './permissionStore';
import { countHolders, listOwnRoles, listRoleHolders, updateRole } from './roleStore';
import { isChange, writeRewrites } from './rewriteHolders';

/** Takes withdrawn permissions out of the tenant's own roles, with an event for each role. */
async function takeFromRoles(
  tx: Tx,
  ctx: RequestContext,
  tenantId: string,
  withdrawn: readonly string[],
): Promise<void> {
  const affected = (await listOwnRoles(tx, tenantId)).filter(({ permissions }) =>
    permissions.some((one) => withdrawn.includes(one)),
  );
  if (affected.length === 0) return;
  const holders = await countHolders(tx, tenantId);
  const events = [];
  for (const role of affected) {
    const { id, name, description } = role;
    const before = { name, description, permissions: role.permissions };
    const permissions = role.permissions.filter((one) => !withdrawn.includes(one));
    const after = { name, description, permissions };
    await updateRole(tx, tenantId, { id, ...after });
    events.push({
      action: 'ROLE_UPDATED' as const,
      outcome: 'success' as const,
      tenantId,
      subject: `role:${id}`,
      details: { before, after, holders: holders.get(id) ?? 0, via: 'operator' as const },
    });
  }
  await recordAudits(tx, ctx, events);
}

/**
 * Updates the permissions in effect of a tenant's members to the permissions that can be given now:
 * it removes those that were withdrawn, and adds those of their roles. Call it after
 * `beginAdministration`, because another declaration may have changed the list.
 * @returns how many members hold other permissions now
 */
export async function applyPermissions(
  tx: Tx,
  ctx: RequestContext,
  tenantId: string,
): Promise<number> {
  const withdrawn = await listWithdrawn(tx);
  await takeFromRoles(tx, ctx, tenantId, withdrawn);
  const members = await listRoleHolders(tx, tenantId, withdrawn);
  const roles = await findRoles(tx, tenantId, [...new Set(members.flatMap((one) => one.roles))]);
  const rewrites = members
    .map(({ staffId, roles: ids, permissions }) => {
      const left = permissions.filter((one) => !withdrawn.includes(one));
      const given = roles.filter(({ id }) => ids.includes(id));
      const after = effectivePermissions(given, left);
      return { staffId, roles: inOrder(ids), before: inOrder(permissions), after };
    })
    .filter(isChange);
  await writeRewrites(tx, ctx, tenantId, rewrites, { via: 'operator' });
  return rewrites.length;
}
