import { BUILT_IN_ROLES, builtInRole, isBuiltInRole } from '../builtInRoles';
import type { Db } from '../db';
import { isRowId } from '../db/ids';
import { AppError } from '../errors';
import { listDeclared } from './permissionStore';
import { readOwnRoles } from './roleStore';
import type { OwnRole } from './roleStore';

/** A role as people see it, built in or of the tenant's own. */
export interface Role {
  id: string;
  name: string;
  description: string;
  permissions: readonly string[];
  builtIn: boolean;
}

/** Returns a list of permissions or role ids in the order in which it is stored and compared. */
export const inOrder = (list: Iterable<string>): string[] => [...new Set(list)].sort();

/** Returns a role of a tenant's own in the common form of all roles. */
export const toRole = ({ id, name, description, permissions }: OwnRole): Role => ({
  id,
  name,
  description,
  permissions,
  builtIn: false,
});

/** Returns the built-in roles, with the permissions that they give today. */
export async function listBuiltInRoles(db: Db): Promise<Role[]> {
  const own = (await listDeclared(db)).map(({ name }) => name);
  return (Object.keys(BUILT_IN_ROLES) as (keyof typeof BUILT_IN_ROLES)[]).map((id) => {
    const { name, description, permissions, givesOwnPermissions } = builtInRole(id);
    const all = givesOwnPermissions ? [...permissions, ...own] : permissions;
    return { id, name, description, permissions: inOrder(all), builtIn: true };
  });
}

/**
 * Finds roles by their ids.
 * @returns those that exist, in the order of `ids`; the ids of no role, or of another tenant's, are
 * left out
 */
export async function findRoles(db: Db, tenantId: string, ids: readonly string[]): Promise<Role[]> {
  const builtIn = ids.some(isBuiltInRole) ? await listBuiltInRoles(db) : [];
  const own = await readOwnRoles(
    db,
    tenantId,
    ids.filter((id) => !isBuiltInRole(id) && isRowId(id)),
  );
  const all = [...builtIn, ...own.map(toRole)];
  return [...new Set(ids)].flatMap((id) => all.find((role) => role.id === id) ?? []);
}

/**
 * Finds roles by their ids, all of them.
 * @throws AppError UNKNOWN_ROLE if one of them does not exist in the tenant
 */
export async function findAllRoles(
  db: Db,
  tenantId: string,
  ids: readonly string[],
): Promise<Role[]> {
  const roles = await findRoles(db, tenantId, ids);
  const isKnown = (id: string) => roles.some((role) => role.id === id);
  if (ids.every(isKnown)) return roles;
  // Without the id, so that an answer never holds one of another tenant.
  throw new AppError('UNKNOWN_ROLE', {
    detail:
      'A role in the list does not exist in this tenant. Give roles by their ids, which GET /api/tenants/roles lists.',
  });
}

/** Returns the permissions that roles give together, sorted. */
export const permissionsOfRoles = (roles: readonly Pick<Role, 'permissions'>[]): string[] =>
  inOrder(roles.flatMap(({ permissions }) => permissions));

/**
 * Returns the permissions that a member holds directly: those in effect that no role gives. A
 * permission that a role gives belongs to the role, even if it was granted directly before.
 */
export function directPermissions(
  effective: readonly string[],
  roles: readonly Pick<Role, 'permissions'>[],
): string[] {
  const given = new Set(permissionsOfRoles(roles));
  return inOrder(effective.filter((one) => !given.has(one)));
}

/** Returns the permissions in effect: what the roles give, and what is held directly. */
export const effectivePermissions = (
  roles: readonly Pick<Role, 'permissions'>[],
  direct: readonly string[],
): string[] => inOrder([...permissionsOfRoles(roles), ...direct]);
