import { recordAudit } from '../audit';
import { invalidateSessions, withSessionTable } from '../auth';
import type { RequestContext } from '../context';
import type { TenantDeps } from './deps';
import { AppError } from '../errors';
import { lockStaffMember, markDisabled, markEnabled } from './tenantStore';

export interface StaffIds {
  tenantId: string;
  staffId: string;
}

type Via = 'api' | 'operator';

/**
 * Ends a staff member's access to this tenant: their sessions and refresh tokens end, and their
 * next request is refused on every node. The person's other memberships stay.
 * @returns false if they are already disabled; nothing is changed or recorded then
 * @throws AppError NOT_FOUND if the tenant has no such staff member
 */
export async function disableStaff(
  deps: Pick<TenantDeps, 'db' | 'schemaGuard' | 'riskFacts'>,
  ctx: RequestContext,
  { tenantId, staffId }: StaffIds,
  via: Via,
): Promise<boolean> {
  const done = await withSessionTable(deps, (mode) =>
    deps.db.transaction(async (tx) => {
      const staff = await lockStaffMember(tx, tenantId, staffId);
      if (!staff) throw new AppError('NOT_FOUND');
      if (staff.status === 'disabled') return false;
      // Record the event first, and use one clock for both, so that the ended sessions do not
      // appear to have ended before it.
      await recordAudit(tx, ctx, {
        action: 'STAFF_DISABLED',
        outcome: 'success',
        tenantId,
        subject: `staff:${staffId}`,
        details: { via },
      });
      const now = await markDisabled(tx, tenantId, staffId);
      await invalidateSessions(tx, ctx, mode, tenantId, { staffId, reason: 'manual', now });
      return true;
    }),
  );
  if (done) deps.riskFacts.forget(tenantId, staffId);
  return done;
}

/**
 * Enables a disabled staff member again, with the permissions and factors that they had. Ended
 * sessions stay ended: the person must sign in again.
 * @returns false if they are not disabled; nothing is changed or recorded then
 * @throws AppError NOT_FOUND if the tenant has no such staff member
 */
export async function enableStaff(
  deps: Pick<TenantDeps, 'db'>,
  ctx: RequestContext,
  { tenantId, staffId }: StaffIds,
  via: Via,
): Promise<boolean> {
  return deps.db.transaction(async (tx) => {
    const staff = await lockStaffMember(tx, tenantId, staffId);
    if (!staff) throw new AppError('NOT_FOUND');
    if (staff.status === 'active') return false;
    await markEnabled(tx, tenantId, staffId);
    await recordAudit(tx, ctx, {
      action: 'STAFF_ENABLED',
      outcome: 'success',
      tenantId,
      subject: `staff:${staffId}`,
      details: { disabledAt: staff.disabledAt?.toISOString() ?? null, via },
    });
    return true;
  });
}
