import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Deps } from '../deps';
import { AppError } from '../errors';
import { UnknownPermissionError, unknownPermissions } from '../permissions';
import type { StaffIds } from './changeStaffStatus';
import { staffInput } from './createStaff';
import { lockStaffMember, updatePermissions } from './store';

/** All of them, or what is to change of those there are. */
export type PermissionChange = { set: string[] } | { add: string[]; remove: string[] };

export interface ChangedPermissions {
  before: string[];
  after: string[];
  changed: boolean;
}

const inOrder = (permissions: Iterable<string>) => [...new Set(permissions)].sort();

function apply(change: PermissionChange, before: string[]): string[] {
  if ('set' in change) return inOrder(change.set);
  const removed = new Set(change.remove);
  return inOrder([...before, ...change.add].filter((permission) => !removed.has(permission)));
}

/**
 * Changes what a staff member may do. Each request reads it anew, so the next one is judged by it already.
 * @returns both lists, in order; where they are alike nothing is changed or recorded
 * @throws UnknownPermissionError if the change gives one that does not exist; one that somebody has already may stay or go.
 *   ZodError for more than 200 of them. AppError NOT_FOUND if the tenant has no such staff member
 */
export async function changePermissions(
  deps: Pick<Deps, 'db'>,
  ctx: RequestContext,
  { tenantId, staffId }: StaffIds,
  change: PermissionChange,
  via: 'api' | 'operator',
): Promise<ChangedPermissions> {
  return deps.db.transaction(async (tx) => {
    const staff = await lockStaffMember(tx, tenantId, staffId);
    if (!staff) throw new AppError('NOT_FOUND');
    const before = inOrder(staff.permissions);
    const given = ('set' in change ? change.set : change.add).filter(
      (one) => !before.includes(one),
    );
    const unknown = unknownPermissions(given);
    if (unknown.length > 0) throw new UnknownPermissionError(unknown);
    const after = staffInput.shape.permissions.parse(apply(change, before));
    const changed = JSON.stringify(after) !== JSON.stringify(before);
    if (changed) {
      await updatePermissions(tx, tenantId, { staffId, permissions: after });
      await recordAudit(tx, ctx, {
        action: 'STAFF_PERMISSIONS_CHANGED',
        outcome: 'success',
        tenantId,
        subject: `staff:${staffId}`,
        details: { before, after, via },
      });
    }
    return { before, after, changed };
  });
}
