import { recordAudit } from '../audit';
import { invalidateSessions, withSessionTable } from '../auth';
import type { RequestContext } from '../context';
import type { Deps } from '../deps';
import { AppError } from '../errors';
import { lockStaffMember, markDisabled, markEnabled } from './store';

export interface StaffIds {
  tenantId: string;
  staffId: string;
}

type Via = 'api' | 'operator';

/**
 * Takes a staff member's access to this tenant away: sessions and refresh tokens end with it, and their very next request
 * is refused, on every node. Other memberships of the person stay.
 * @returns false where they are disabled already: then nothing is changed or recorded
 * @throws AppError NOT_FOUND where the tenant has no such staff member
 */
export async function disableStaff(
  deps: Pick<Deps, 'db' | 'schemaGuard' | 'riskFacts'>,
  ctx: RequestContext,
  { tenantId, staffId }: StaffIds,
  via: Via,
): Promise<boolean> {
  const done = await withSessionTable(deps, (mode) =>
    deps.db.transaction(async (tx) => {
      const staff = await lockStaffMember(tx, tenantId, staffId);
      if (!staff) throw new AppError('NOT_FOUND');
      if (staff.status === 'disabled') return false;
      // The event first, and one clock for both: what ended because of it must not look as if it had ended before.
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
 * Lets a disabled staff member in again, with the permissions and factors that they had. Nothing that ended comes back:
 * they sign in anew.
 * @returns false where they are not disabled: then nothing is changed or recorded
 * @throws AppError NOT_FOUND where the tenant has no such staff member
 */
export async function enableStaff(
  deps: Pick<Deps, 'db'>,
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
