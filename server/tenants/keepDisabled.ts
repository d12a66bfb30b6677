import { and, eq, sql } from 'drizzle-orm';
import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import { scimUsers, tenantStaff } from '../db/schema';
import { inTenant } from '../db/tenantScope';
import type { TenantDeps } from './deps';
import { provenanceOf } from './staffAct';
import type { StaffAct, StaffIds } from './staffAct';

/** Takes the mark away by which a directory may enable a disabled member. */
function takeMark(tx: Tx, { tenantId, staffId }: StaffIds): Promise<boolean> {
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

/**
 * Makes the disabling of a locked, disabled member the administrator's own. If a directory disabled
 * them, it can enable them no more.
 * @returns false if it was no directory; nothing is changed or recorded then
 */
export async function keepDisabled(
  deps: Pick<TenantDeps, 'clock'>,
  ctx: RequestContext,
  who: StaffIds,
  how: StaffAct,
  tx: Tx,
): Promise<boolean> {
  if (!(await takeMark(tx, who))) return false;
  const { tenantId, staffId } = who;
  await recordAudit(tx, ctx, {
    action: 'STAFF_KEPT_DISABLED',
    outcome: 'success',
    tenantId,
    subject: `staff:${staffId}`,
    details: provenanceOf(deps, how),
  });
  return true;
}
