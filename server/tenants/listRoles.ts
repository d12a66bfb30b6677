import type { Db } from '../db';
import { assertRowId } from '../db/ids';
import { AppError } from '../errors';
import { isBuiltInRole } from '../builtInRoles';
import { listBuiltInRoles, toRole } from './effectivePermissions';
import type { Role } from './effectivePermissions';
import { countHolders, listOwnRoles } from './roleStore';

/** A role with the number of members who carry it. */
export interface ListedRole extends Role {
  holders: number;
  /** When the role was last changed; null for a built-in role. */
  updatedAt: Date | null;
}

/** Lists the built-in roles, then the tenant's own by name. It takes three statements in all. */
export async function listRoles(db: Db, tenantId: string): Promise<ListedRole[]> {
  const [builtIn, own, holders] = await Promise.all([
    listBuiltInRoles(db),
    listOwnRoles(db, tenantId),
    countHolders(db, tenantId),
  ]);
  return [
    ...builtIn.map((role) => ({ ...role, updatedAt: null })),
    ...own.map((role) => ({ ...toRole(role), updatedAt: role.updatedAt })),
  ].map((role) => ({ ...role, holders: holders.get(role.id) ?? 0 }));
}

/**
 * Shows one role.
 * @throws AppError NOT_FOUND, also for a role of another tenant
 */
export async function showRole(db: Db, tenantId: string, id: string): Promise<ListedRole> {
  if (!isBuiltInRole(id)) assertRowId(id);
  const found = (await listRoles(db, tenantId)).find((role) => role.id === id.toLowerCase());
  if (!found) throw new AppError('NOT_FOUND');
  return found;
}
