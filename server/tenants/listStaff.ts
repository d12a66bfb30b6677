import { nameRoles, withSessionTable } from '../auth';
import type { TenantDeps } from './deps';
import { AppError } from '../errors';
import { isRowId } from '../db/ids';
import { cutPage, invalidCursor } from '../http/timeCursor';
import { listClosedAccounts } from '../security';
import { listStaffRows } from './staffListStore';
import type { StaffFilter, StaffRow, StaffSelection } from './staffListStore';

/** A member as administrators see them: no secret, and nothing of other tenants. */
export type StaffView = Omit<
  StaffRow,
  'roles' | 'totp' | 'passkeys' | 'recoveryCodes' | 'userId'
> & {
  roles: { id: string; name: string }[];
  /** The enrolled factors of this membership, and the recovery codes that are left. */
  factors: { totp: number; passkeys: number; recoveryCodes: number };
  /** The locks that failed attempts have set. */
  locked: { what: 'password' | 'second_factor'; since: Date; until: Date | null }[];
};

/**
 * Adds the names of roles and the locks to rows. The number of statements does not depend on the
 * number of rows.
 */
async function describe(
  deps: TenantDeps,
  tenantId: string,
  rows: readonly StaffRow[],
): Promise<StaffView[]> {
  const roleIds = [...new Set(rows.flatMap(({ roles }) => roles))];
  const names = new Map(
    (await nameRoles(deps.db, tenantId, roleIds)).map((it) => [it.id, it.name]),
  );
  const closed = rows.length > 0 ? await listClosedAccounts(deps, tenantId, rows) : [];
  return rows.map(({ userId: _person, totp, passkeys, recoveryCodes, ...row }) => ({
    ...row,
    roles: row.roles.map((id) => ({ id, name: names.get(id) ?? id })),
    factors: { totp, passkeys, recoveryCodes },
    locked: closed
      .filter(({ staffId }) => staffId === row.staffId)
      .map(({ what, since, until }) => ({ what, since, until })),
  }));
}

const readRows = (deps: TenantDeps, tenantId: string, selection: StaffSelection) =>
  withSessionTable(deps, (mode) =>
    listStaffRows(deps.db, mode, tenantId, { ...selection, now: deps.clock.now() }),
  );

const toCursor = (staffId: string) => Buffer.from(staffId).toString('base64url');

function fromCursor(cursor: string): string {
  const staffId = Buffer.from(cursor, 'base64url').toString('latin1');
  if (isRowId(staffId)) return staffId;
  throw invalidCursor();
}

/**
 * Lists the members of a tenant, newest first, one page at a time.
 * @throws AppError INVALID_INPUT for a cursor that the server did not issue
 */
export async function listStaff(
  deps: TenantDeps,
  tenantId: string,
  { filter, cursor, limit }: { filter: StaffFilter; cursor?: string | undefined; limit: number },
): Promise<{ staff: StaffView[]; nextCursor: string | null }> {
  const below = cursor === undefined ? undefined : fromCursor(cursor);
  const found = await readRows(deps, tenantId, { filter, below, limit: limit + 1 });
  const { shown, nextCursor } = cutPage(found, limit, ({ staffId }) => toCursor(staffId));
  return { staff: await describe(deps, tenantId, shown), nextCursor };
}

/**
 * Shows one member, removed or not.
 * @throws AppError NOT_FOUND if the tenant has no such member
 */
export async function showStaff(
  deps: TenantDeps,
  tenantId: string,
  staffId: string,
): Promise<StaffView> {
  const [view] = await describe(deps, tenantId, await readRows(deps, tenantId, { staffId }));
  if (!view) throw new AppError('NOT_FOUND');
  return view;
}
