import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import type { TenantDeps } from './deps';
import { takeDirectoryMark } from './directoryMarkStore';
import { provenanceOf } from './staffAct';
import type { StaffAct, StaffIds } from './staffAct';

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
  if (!(await takeDirectoryMark(tx, who))) return false;
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
