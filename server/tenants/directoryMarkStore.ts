import { and, eq, sql } from 'drizzle-orm';
import type { Tx } from '../db';
import { scimUsers, tenantStaff } from '../db/schema';
import { inTenant } from '../db/tenantScope';
import type { StaffIds } from './staffAct';

/**
 * Takes the mark away by which a directory may enable a disabled member.
 * @returns false if there is none
 */
export function takeDirectoryMark(tx: Tx, { tenantId, staffId }: StaffIds): Promise<boolean> {
  return inTenant(tx, tenantId, async (own) => {
    const since = sql`(SELECT ${tenantStaff.disabledAt} FROM ${tenantStaff}
      WHERE ${tenantStaff.tenantId} = ${tenantId} AND ${tenantStaff.id} = ${staffId})`;
    const taken = await own
      .update(scimUsers)
      .set({ disabledAt: null })
      .where(
        and(
          eq(scimUsers.tenantId, tenantId),
          eq(scimUsers.staffId, staffId),
          eq(scimUsers.disabledAt, since),
        ),
      )
      .returning({ staffId: scimUsers.staffId });
    return taken.length > 0;
  });
}
