import { builtInRole, isBuiltInRole } from '../builtInRoles';
import type { Db } from '../db';
import { isRowId } from '../db/ids';
import { readRoleNames } from './roleNameStore';

/**
 * Finds the names of a member's roles. Only roles of the tenant's own need a query.
 * @returns the roles in the order of `ids`, without ids that match no role
 */
export async function nameRoles(
  db: Db,
  tenantId: string,
  ids: readonly string[],
): Promise<{ id: string; name: string }[]> {
  const builtIn = ids.filter(isBuiltInRole).map((id) => ({ id, name: builtInRole(id).name }));
  const ownIds = ids.filter((id) => !isBuiltInRole(id) && isRowId(id));
  const own = ownIds.length > 0 ? await readRoleNames(db, tenantId, ownIds) : [];
  const all: { id: string; name: string }[] = [...builtIn, ...own];
  return ids.flatMap((id) => all.find((role) => role.id === id) ?? []);
}
