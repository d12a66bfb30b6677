import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { TenantDeps } from './deps';
import { AppError } from '../errors';
import { UnknownPermissionError, unknownPermissions } from '../permissions';
import type { StaffIds } from './changeStaffStatus';
import { staffInput } from './createStaff';
import { lockStaffMember, updatePermissions } from './tenantStore';

/** Either the complete new list, or changes to the existing one. */
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
 * Changes the permissions of a staff member. Each request reads them again, so the change applies
 * from the next request on.
 * @returns both lists, sorted; if they are equal, nothing is changed or recorded
 * @throws UnknownPermissionError if the change adds a permission that does not exist (an unknown
 * one that the member already has may stay or be removed). ZodError for more than 200 permissions.
 * AppError NOT_FOUND if the tenant has no such staff member
 */
export async function changePermissions(
  deps: Pick<TenantDeps, 'db'>,
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
