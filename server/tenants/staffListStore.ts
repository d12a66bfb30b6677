import { and, desc, eq, ilike, inArray, lt, or, sql } from 'drizzle-orm';
import type { SQL } from 'drizzle-orm';
import type { SessionMode } from '../auth';
import type { Db } from '../db';
import { tenantStaff, userSessions, users } from '../db/schema';
import type { AccountStatus } from '../db/schema';
import { inTenant } from '../db/tenantScope';

/** The conditions for the members of a page; an undefined one excludes nobody. */
export interface StaffFilter {
  /** A part of the address or the name, in upper or lower case. */
  search?: string | undefined;
  /** Undefined: members who have not been removed. */
  status?: AccountStatus | undefined;
  /** The id of a role. */
  role?: string | undefined;
  permission?: string | undefined;
}

/** A page of members, or one member. */
export type StaffSelection =
  { filter: StaffFilter; below: string | undefined; limit: number } | { staffId: string };

/** Matches a text literally anywhere: `%`, `_` and `\` have a meaning in a pattern. */
const containing = (text: string) => `%${text.replaceAll(/[\\%_]/g, '\\$&')}%`;

function meets({ search, status, role, permission }: StaffFilter): SQL | undefined {
  const pattern = search === undefined ? undefined : containing(search);
  return and(
    status === undefined
      ? inArray(tenantStaff.status, ['active', 'disabled'])
      : eq(tenantStaff.status, status),
    pattern === undefined ? undefined : or(ilike(users.email, pattern), ilike(users.name, pattern)),
    role === undefined ? undefined : sql`${role} = ANY(${tenantStaff.roles})`,
    permission === undefined ? undefined : sql`${permission} = ANY(${tenantStaff.permissions})`,
  );
}

/** The rows of another table that belong to the member. Each table has an index by staff id. */
const ofMember = (table: string) =>
  sql.raw(`${table} x WHERE x.tenant_id = tenant_staff.tenant_id AND x.staff_id = tenant_staff.id`);

const counted = (table: string, fits = 'true') =>
  sql<number>`(SELECT count(*)::int FROM ${ofMember(table)} AND ${sql.raw(fits)})`;

/** A session is live as long as it has an unexpired refresh token, or else it is idle. */
const liveSessions = (
  now: Date,
) => sql<number>`(SELECT count(*)::int FROM ${ofMember('user_sessions')}
    AND x.revoked_at IS NULL AND x.expires_at > ${now.toISOString()}::timestamptz
    AND x.session_version = tenant_staff.session_version
    AND EXISTS (SELECT FROM refresh_tokens t WHERE t.tenant_id = x.tenant_id AND t.session_id = x.id
      AND t.revoked_at IS NULL AND NOT t.is_revoked AND t.expires_at > ${now.toISOString()}::timestamptz))`;

const lastSeen = sql<Date | null>`(SELECT max(x.last_seen_at) FROM ${ofMember('user_sessions')})`;

const columns = (mode: SessionMode, now: Date) => ({
  staffId: tenantStaff.id,
  userId: tenantStaff.userId,
  email: users.email,
  name: users.name,
  status: tenantStaff.status,
  roles: tenantStaff.roles,
  permissions: tenantStaff.permissions,
  createdAt: tenantStaff.createdAt,
  disabledAt: tenantStaff.disabledAt,
  removedAt: tenantStaff.removedAt,
  endsAt: tenantStaff.endsAt,
  // Null while the table of sessions is missing.
  sessions: mode === 'normal' ? liveSessions(now) : sql<number | null>`NULL::int`,
  lastSeenAt: (mode === 'normal' ? lastSeen : sql<Date | null>`NULL::timestamptz`).mapWith(
    userSessions.lastSeenAt,
  ),
  totp: counted('user_totp', 'x.confirmed_at IS NOT NULL'),
  passkeys: counted('passkeys'),
  recoveryCodes: counted('recovery_codes', 'x.used_at IS NULL'),
});

/**
 * Lists members of a tenant with everything that a list shows about them, newest first, in one
 * statement.
 */
export function listStaffRows(
  db: Db,
  mode: SessionMode,
  tenantId: string,
  { now, ...selection }: StaffSelection & { now: Date },
) {
  return inTenant(db, tenantId, async (tx) => {
    const one = 'staffId' in selection;
    const { id } = tenantStaff;
    const which = one
      ? eq(id, selection.staffId)
      : and(
          meets(selection.filter),
          selection.below === undefined ? undefined : lt(id, selection.below),
        );
    return tx
      .select(columns(mode, now))
      .from(tenantStaff)
      .innerJoin(users, eq(users.id, tenantStaff.userId))
      .where(and(eq(tenantStaff.tenantId, tenantId), which))
      .orderBy(desc(id))
      .limit(one ? 1 : selection.limit);
  });
}

export type StaffRow = Awaited<ReturnType<typeof listStaffRows>>[number];

/** Reads the session version of a member, removed or not. */
export function findSessionVersion(
  db: Db,
  tenantId: string,
  staffId: string,
): Promise<number | undefined> {
  return inTenant(db, tenantId, async (tx) => {
    const [row] = await tx
      .select({ sessionVersion: tenantStaff.sessionVersion })
      .from(tenantStaff)
      .where(and(eq(tenantStaff.tenantId, tenantId), eq(tenantStaff.id, staffId)));
    return row?.sessionVersion;
  });
}
