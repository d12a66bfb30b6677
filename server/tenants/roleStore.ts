import { and, asc, eq, inArray, sql } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { tenantRoles, tenantStaff } from '../db/schema';

/** A role of a tenant's own. */
export interface OwnRole {
  id: string;
  name: string;
  description: string;
  permissions: string[];
}

const { id, name, description, permissions } = tenantRoles;
const ROLE = { id, name, description, permissions };
const ofTenant = (tenantId: string) => eq(tenantRoles.tenantId, tenantId);

/** Lists the tenant's own roles, ordered by name. */
export const listOwnRoles = (db: Db, tenantId: string): Promise<OwnRole[]> =>
  db
    .select(ROLE)
    .from(tenantRoles)
    .where(ofTenant(tenantId))
    .orderBy(asc(sql`lower(${name})`), asc(id));

/** Reads some of the tenant's own roles; ids of no role, or of another tenant's, are left out. */
export async function readOwnRoles(
  db: Db,
  tenantId: string,
  ids: readonly string[],
): Promise<OwnRole[]> {
  if (ids.length === 0) return [];
  return db
    .select(ROLE)
    .from(tenantRoles)
    .where(and(ofTenant(tenantId), inArray(id, [...ids])));
}

/** @throws the driver's unique violation if the tenant has a role of this name */
export async function insertRole(tx: Tx, tenantId: string, role: OwnRole): Promise<void> {
  await tx.insert(tenantRoles).values({ ...role, tenantId });
}

/** @throws the driver's unique violation if another role of the tenant has this name */
export async function updateRole(tx: Tx, tenantId: string, role: OwnRole): Promise<void> {
  const { id: which, ...set } = role;
  await tx
    .update(tenantRoles)
    .set({ ...set, updatedAt: sql`clock_timestamp()` })
    .where(and(ofTenant(tenantId), eq(id, which)));
}

export async function deleteRole(tx: Tx, tenantId: string, roleId: string): Promise<void> {
  await tx.delete(tenantRoles).where(and(ofTenant(tenantId), eq(id, roleId)));
}

/** A member who carries a role, with everything that their permissions are worked out from. */
export interface RoleHolder {
  staffId: string;
  roles: string[];
  permissions: string[];
}

/** Lists the members who carry a role, in the order in which their rows are locked. */
export async function listHolders(tx: Tx, tenantId: string, roleId: string): Promise<RoleHolder[]> {
  return tx
    .select({
      staffId: tenantStaff.id,
      roles: tenantStaff.roles,
      permissions: tenantStaff.permissions,
    })
    .from(tenantStaff)
    .where(and(eq(tenantStaff.tenantId, tenantId), sql`${roleId} = ANY(${tenantStaff.roles})`))
    .orderBy(asc(tenantStaff.id))
    .for('no key update');
}
