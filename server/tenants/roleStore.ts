import { and, asc, count, eq, gt, inArray, isNull, ne, sql } from 'drizzle-orm';
import type { SQL } from 'drizzle-orm';
import { databaseFault } from '../db/pgErrors';
import type { Db, Tx } from '../db';
import { invitations, tenantRoles, tenantStaff } from '../db/schema';
import { inTenant } from '../db/tenantScope';
import { AppError } from '../errors';

/** A role of a tenant's own. */
export interface OwnRole {
  id: string;
  name: string;
  description: string;
  permissions: string[];
}

/** An own role as it is stored; the time grows with each change. */
export interface StoredRole extends OwnRole {
  updatedAt: Date;
}

const { id, name, description, permissions, updatedAt } = tenantRoles;
const ROLE = { id, name, description, permissions, updatedAt };
const ofTenant = (tenantId: string) => eq(tenantRoles.tenantId, tenantId);

/** Lists the tenant's own roles, ordered by name. */
export const listOwnRoles = (db: Db, tenantId: string): Promise<StoredRole[]> =>
  inTenant(db, tenantId, (tx) =>
    tx
      .select(ROLE)
      .from(tenantRoles)
      .where(ofTenant(tenantId))
      .orderBy(asc(sql`lower(${name})`), asc(id)),
  );

/** Reads some of the tenant's own roles; ids of no role, or of another tenant's, are left out. */
export function readOwnRoles(
  db: Db,
  tenantId: string,
  ids: readonly string[],
): Promise<StoredRole[]> {
  return inTenant(db, tenantId, async (tx) => {
    if (ids.length === 0) return [];
    return tx
      .select(ROLE)
      .from(tenantRoles)
      .where(and(ofTenant(tenantId), inArray(id, [...ids])));
  });
}

/** The index compares names in lower case by the database's rules, which are not JavaScript's. */
const refuseTakenName = (error: unknown): never => {
  throw databaseFault(error) === 'unique_violation'
    ? new AppError('ROLE_NAME_TAKEN', { cause: error })
    : error;
};

/**
 * @returns the time of its last change, which is now
 * @throws AppError ROLE_NAME_TAKEN
 */
export async function insertRole(tx: Tx, tenantId: string, role: OwnRole): Promise<Date> {
  const [row] = await tx
    .insert(tenantRoles)
    .values({ ...role, tenantId })
    .returning({ updatedAt })
    .catch(refuseTakenName);
  if (!row) throw new Error('a role was not inserted');
  return row.updatedAt;
}

/**
 * Writes a role. The time of a change is always later than the one before, because it distinguishes
 * one state of the role from the next.
 * @returns the time of the change
 * @throws AppError ROLE_NAME_TAKEN
 */
export async function updateRole(tx: Tx, tenantId: string, role: OwnRole): Promise<Date> {
  const later = sql`greatest(clock_timestamp(), ${updatedAt} + interval '1 millisecond')`;
  const [row] = await tx
    .update(tenantRoles)
    .set({
      name: role.name,
      description: role.description,
      permissions: role.permissions,
      updatedAt: later,
    })
    .where(and(ofTenant(tenantId), eq(id, role.id)))
    .returning({ updatedAt })
    .catch(refuseTakenName);
  if (!row) throw new Error('a role disappeared while it was being changed');
  return row.updatedAt;
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

/** Counts the members who carry each role of a tenant, built in or its own; former members do not count. */
export function countHolders(db: Db, tenantId: string): Promise<Map<string, number>> {
  return inTenant(db, tenantId, async (tx) => {
    const { rows } = await tx.execute<{ role: string; holders: number }>(sql`
    SELECT r.role, count(*)::int AS holders
    FROM tenant_staff s CROSS JOIN LATERAL (SELECT DISTINCT unnest(s.roles) AS role) r
    WHERE s.tenant_id = ${tenantId} AND s.status <> 'removed' GROUP BY r.role`);
    return new Map(rows.map(({ role, holders }) => [role, holders]));
  });
}

/** Counts the open invitations that name a role. */
export async function countInvitationsTo(
  tx: Tx,
  tenantId: string,
  roleId: string,
): Promise<number> {
  const [row] = await tx
    .select({ number: count() })
    .from(invitations)
    .where(
      and(
        eq(invitations.tenantId, tenantId),
        isNull(invitations.acceptedAt),
        isNull(invitations.revokedAt),
        gt(invitations.expiresAt, sql`clock_timestamp()`),
        sql`${roleId} = ANY(${invitations.roles})`,
      ),
    );
  return row?.number ?? 0;
}

/** Locks and lists the members that meet a condition, except former ones, in the order of their ids. */
const lockMembers = (tx: Tx, tenantId: string, condition: SQL): Promise<RoleHolder[]> =>
  inTenant(tx, tenantId, async (own) =>
    own
      .select({
        staffId: tenantStaff.id,
        roles: tenantStaff.roles,
        permissions: tenantStaff.permissions,
      })
      .from(tenantStaff)
      .where(and(eq(tenantStaff.tenantId, tenantId), ne(tenantStaff.status, 'removed'), condition))
      .orderBy(asc(tenantStaff.id))
      .for('no key update'),
  );

/**
 * Lists the members who carry a role, and locks their rows, in the order of their ids. Former
 * members are left out.
 */
export const listHolders = (tx: Tx, tenantId: string, roleId: string): Promise<RoleHolder[]> =>
  lockMembers(tx, tenantId, sql`${roleId} = ANY(${tenantStaff.roles})`);

/**
 * Lists the members who carry any role or hold one of these permissions, and locks their rows, in
 * the order of their ids. Former members are left out.
 */
export const listRoleHolders = (
  tx: Tx,
  tenantId: string,
  held: readonly string[],
): Promise<RoleHolder[]> =>
  lockMembers(
    tx,
    tenantId,
    sql`(cardinality(${tenantStaff.roles}) > 0 OR ${tenantStaff.permissions} && ${sql.param([...held])}::text[])`,
  );

/** Writes the permissions in effect of members who get the same ones. */
export function updatePermissions(
  tx: Tx,
  tenantId: string,
  query: { staffIds: readonly string[]; permissions: string[] },
): Promise<void> {
  return inTenant(tx, tenantId, async (own) => {
    await own
      .update(tenantStaff)
      .set({ permissions: query.permissions })
      .where(and(eq(tenantStaff.tenantId, tenantId), inArray(tenantStaff.id, [...query.staffIds])));
  });
}
