import { and, asc, count, eq, isNull, ne, sql } from 'drizzle-orm';
import type { SQL } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { isRowId } from '../db/ids';
import { NOT_ENDED } from '../db/maySignIn';
import { scimUsers, tenantStaff } from '../db/schema';
import { inTenant } from '../db/tenantScope';
import type { DirectoryUser } from './protocol/userChanges';
import type { UserCondition } from './protocol/userFilter';

/** `uuid` has no lower case of its own, and a text that is no id is nobody's. */
const isId = (value: string): SQL => (isRowId(value) ? eq(scimUsers.staffId, value) : sql`false`);

const ACTIVE = sql<boolean>`${tenantStaff.status} = 'active' AND ${NOT_ENDED}`;

/** The membership is disabled, and SCIM was the one who disabled it. */
const DISABLED_HERE = sql<boolean>`${tenantStaff.status} = 'disabled'
  AND coalesce(${scimUsers.disabledAt} = ${tenantStaff.disabledAt}, false)`;

/** The membership was removed, and SCIM was the one who removed it. */
const REMOVED_HERE = sql<boolean>`${tenantStaff.status} = 'removed'
  AND coalesce(${scimUsers.removedAt} = ${tenantStaff.removedAt}, false)`;

const SHOWN = {
  staffId: scimUsers.staffId,
  userName: scimUsers.userName,
  externalId: scimUsers.externalId,
  displayName: scimUsers.displayName,
  givenName: scimUsers.givenName,
  familyName: scimUsers.familyName,
  formattedName: scimUsers.formattedName,
  email: scimUsers.email,
  version: scimUsers.version,
  createdAt: scimUsers.createdAt,
  updatedAt: scimUsers.updatedAt,
  active: ACTIVE,
  disabledHere: DISABLED_HERE,
};

/** Matches the members whom the directory knows. */
const known = (tenantId: string) =>
  and(
    eq(scimUsers.tenantId, tenantId),
    isNull(scimUsers.deletedAt),
    ne(tenantStaff.status, 'removed'),
  );

const OF_MEMBER = and(
  eq(tenantStaff.tenantId, scimUsers.tenantId),
  eq(tenantStaff.id, scimUsers.staffId),
);

function meets(condition: UserCondition): SQL {
  switch (condition.field) {
    case 'id':
      return isId(condition.value);
    case 'userName':
      return sql`lower(${scimUsers.userName}) = lower(${condition.value})`;
    case 'externalId':
      return eq(scimUsers.externalId, condition.value);
    case 'email':
      return sql`lower(${scimUsers.email}) = lower(${condition.value})`;
    case 'active':
      return sql`(${ACTIVE}) = ${condition.value}`;
  }
}

/** Reads one user of the directory. */
export function findScimUser(db: Db | Tx, tenantId: string, staffId: string) {
  return inTenant(db, tenantId, async (tx) => {
    const [row] = await tx
      .select(SHOWN)
      .from(scimUsers)
      .innerJoin(tenantStaff, OF_MEMBER)
      .where(and(known(tenantId), eq(scimUsers.staffId, staffId)));
    return row;
  });
}

export type ScimUserRow = NonNullable<Awaited<ReturnType<typeof findScimUser>>>;

/** Lists a page of the users that meet all conditions, oldest first, and counts all of them. */
export function listScimUsers(
  db: Db,
  tenantId: string,
  query: { conditions: readonly UserCondition[]; offset: number; limit: number },
): Promise<{ total: number; rows: ScimUserRow[] }> {
  return inTenant(db, tenantId, async (tx) => {
    const { conditions, offset, limit } = query;
    const which = and(known(tenantId), ...conditions.map(meets));
    const [counted] = await tx
      .select({ total: count() })
      .from(scimUsers)
      .innerJoin(tenantStaff, OF_MEMBER)
      .where(which);
    const rows = await tx
      .select(SHOWN)
      .from(scimUsers)
      .innerJoin(tenantStaff, OF_MEMBER)
      .where(which)
      .orderBy(asc(scimUsers.staffId))
      .offset(offset)
      .limit(limit);
    return { total: counted?.total ?? 0, rows };
  });
}

/** What SCIM has to do with a member, or had. */
export function readLink(
  tx: Tx,
  tenantId: string,
  staffId: string,
): Promise<{ isKnown: boolean; removedHere: boolean } | undefined> {
  return inTenant(tx, tenantId, async (own) => {
    const [row] = await own
      .select({
        isKnown: sql<boolean>`${scimUsers.deletedAt} IS NULL AND ${tenantStaff.status} <> 'removed'`,
        removedHere: REMOVED_HERE,
      })
      .from(scimUsers)
      .innerJoin(tenantStaff, OF_MEMBER)
      .where(and(eq(scimUsers.tenantId, tenantId), eq(scimUsers.staffId, staffId)));
    return row;
  });
}

const named = (tenantId: string, userName: string) =>
  and(
    eq(scimUsers.tenantId, tenantId),
    isNull(scimUsers.deletedAt),
    sql`lower(${scimUsers.userName}) = lower(${userName})`,
  );

/**
 * Returns whether another user of the directory has this name, in upper or lower case. The row of
 * somebody whom an administrator removed gives the name up: the directory cannot see or change it.
 */
export function isNameTaken(
  tx: Tx,
  tenantId: string,
  { userName, except }: { userName: string; except?: string },
): Promise<boolean> {
  return inTenant(tx, tenantId, async (own) => {
    const isRemoved = sql`(SELECT m.status FROM tenant_staff m
      WHERE m.tenant_id = ${scimUsers.tenantId} AND m.id = ${scimUsers.staffId}) = 'removed'`;
    await own
      .update(scimUsers)
      .set({ deletedAt: sql`clock_timestamp()` })
      .where(and(named(tenantId, userName), isRemoved));
    const rows = await own
      .select({ staffId: scimUsers.staffId })
      .from(scimUsers)
      .where(
        and(
          named(tenantId, userName),
          except === undefined ? undefined : ne(scimUsers.staffId, except),
        ),
      )
      .limit(1);
    return rows.length > 0;
  });
}

const NOW = sql`clock_timestamp()`;

/** The id of the person behind a membership. */
const userOf = (tenantId: string, staffId: string) =>
  sql<string>`(SELECT user_id FROM tenant_staff WHERE tenant_id = ${tenantId} AND id = ${staffId})`;

/** Notes that the directory knows a member, who exists. Nothing of an earlier time stays. */
export function linkScimUser(
  tx: Tx,
  tenantId: string,
  staffId: string,
  { active: _active, ...texts }: DirectoryUser,
): Promise<void> {
  return inTenant(tx, tenantId, async (own) => {
    const fresh = { disabledAt: null, removedAt: null, deletedAt: null };
    const userId = userOf(tenantId, staffId);
    await own
      .insert(scimUsers)
      .values({ tenantId, staffId, userId, ...texts })
      .onConflictDoUpdate({
        target: [scimUsers.tenantId, scimUsers.staffId],
        set: {
          ...texts,
          ...fresh,
          createdAt: NOW,
          updatedAt: NOW,
          version: sql`${scimUsers.version} + 1`,
        },
      });
  });
}

const one = (tenantId: string, staffId: string) =>
  and(eq(scimUsers.tenantId, tenantId), eq(scimUsers.staffId, staffId));

/** Writes what the directory says about a user, and gives the user another version. */
export function updateScimUser(
  tx: Tx,
  tenantId: string,
  staffId: string,
  { active: _active, ...texts }: DirectoryUser,
): Promise<void> {
  return inTenant(tx, tenantId, async (own) => {
    await own
      .update(scimUsers)
      .set({ ...texts, updatedAt: NOW, version: sql`${scimUsers.version} + 1` })
      .where(one(tenantId, staffId));
  });
}

const ofMembership = (column: 'disabled_at' | 'removed_at') =>
  sql`(SELECT m.${sql.raw(column)} FROM tenant_staff m WHERE m.tenant_id = ${scimUsers.tenantId} AND m.id = ${scimUsers.staffId})`;

/** Notes that SCIM disabled the membership just now, or enabled it again. */
export function noteDisabled(tx: Tx, tenantId: string, staffId: string): Promise<void> {
  return inTenant(tx, tenantId, async (own) => {
    const set = { disabledAt: ofMembership('disabled_at') };
    await own.update(scimUsers).set(set).where(one(tenantId, staffId));
  });
}

/**
 * Notes that the directory deleted a user, whose membership was removed just now.
 * @param isOurs SCIM may make them a member again
 */
export function noteDeleted(
  tx: Tx,
  tenantId: string,
  { staffId, isOurs }: { staffId: string; isOurs: boolean },
): Promise<void> {
  return inTenant(tx, tenantId, async (own) => {
    const removedAt = isOurs ? ofMembership('removed_at') : null;
    const set = { deletedAt: NOW, removedAt };
    await own.update(scimUsers).set(set).where(one(tenantId, staffId));
  });
}
