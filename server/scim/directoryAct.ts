import { withSessionTable } from '../auth';
import type { Principal, RequestContext } from '../context';
import { AppError } from '../errors';
import { administer, assertAdministratorLeft, endMembership, lockStaffMember } from '../tenants';
import type { DirectoryAct, LockedMember } from '../tenants';
import type { ScimDeps } from './deps';
import { noteDisabled } from './scimUserStore';

/** A request of a tenant's directory. */
export interface DirectoryRequest {
  /** The holder of the directory's key, with the permission SCIM_PROVISION. */
  principal: Principal;
  /** When the request arrived. */
  askedAt: Date;
}

export type DirectoryWork = Pick<LockedMember, 'tx' | 'mode'>;

export const actOf = ({ askedAt }: DirectoryRequest): DirectoryAct => ({ via: 'scim', askedAt });

/**
 * Runs an act of the directory in one transaction, under the lock of the tenant. The key and the
 * permission are checked once more under it. The rule that nobody manages people with more
 * permissions does not bind a directory: leavers must lose their access, administrators too. The
 * last administrator stays.
 * @param staffIds the members whose rows the act changes
 * @throws AppError UNAUTHENTICATED or FORBIDDEN if the key has ended meanwhile; LAST_ADMINISTRATOR;
 * what the act throws
 */
export function actForDirectory<T>(
  deps: ScimDeps,
  ctx: RequestContext,
  { principal }: DirectoryRequest,
  staffIds: readonly string[],
  act: (work: DirectoryWork) => Promise<T>,
): Promise<T> {
  const authority = { via: 'api', principal } as const;
  return withSessionTable(deps, (mode) =>
    administer(
      deps,
      ctx,
      authority,
      'SCIM_PROVISION',
      async (tx, administration) => {
        const result = await act({ tx, mode });
        await assertAdministratorLeft(tx, administration);
        return result;
      },
      staffIds,
    ),
  );
}

/** The error if SCIM would give access back to somebody whom an administrator disabled. */
export const disabledElsewhere = () =>
  new AppError('SCIM_CONFLICT', {
    detail: 'An administrator disabled this member, so only an administrator can enable them.',
  });

/** Locks a member whom the directory knows. */
export async function lockKnown(
  { tx, mode }: DirectoryWork,
  tenantId: string,
  staffId: string,
): Promise<Pick<LockedMember, 'tx' | 'mode' | 'staff'>> {
  const staff = await lockStaffMember(tx, tenantId, staffId);
  if (!staff || staff.status === 'removed') throw new AppError('NOT_FOUND');
  return { tx, mode, staff };
}

/**
 * Disables an active member for the directory, by the function that every path uses, and notes that
 * SCIM may enable them again.
 */
export async function disableForDirectory(
  deps: ScimDeps,
  ctx: RequestContext,
  who: { tenantId: string; staffId: string },
  request: DirectoryRequest,
  work: DirectoryWork,
): Promise<void> {
  await endMembership(deps, ctx, who, actOf(request), work);
  await noteDisabled(work.tx, who.tenantId, who.staffId);
}
