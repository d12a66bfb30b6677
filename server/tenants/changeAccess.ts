import { z } from 'zod';
import type { Json } from '../../tlog/canonicalJson';
import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import type { TenantDeps } from './deps';
import { AppError } from '../errors';
import { assertAdministratorLeft, assertMayGive, assertMayManage } from './administration';
import type { Administration } from './administration';
import { administer } from './administer';
import { authorityOf, insists, provenanceOf, reasonOf } from './staffAct';
import type { Origin, StaffAct, StaffIds } from './staffAct';
import type { ApprovalRequest } from './approvalStore';
import { staffInput } from './createStaff';
import {
  directPermissions,
  effectivePermissions,
  findAllRoles,
  findRoles,
  inOrder,
} from './effectivePermissions';
import { privilegedAmong } from './knownPermissions';
import { needsSecond, requestApproval } from './requestApproval';
import type { PreparedChange, Provenance } from './requestApproval';
import { lockStaffMember, updateAccess } from './tenantStore';
import type { LockedStaff } from './tenantStore';

/** Either the complete new list, or changes to the existing one. */
export type PermissionChange = { set: string[] } | { add: string[]; remove: string[] };

/** The access of a member: their roles, and the permissions that they hold directly. */
export interface AccessChange {
  /** The ids of all roles after the change; unchanged if undefined. */
  roles?: readonly string[] | undefined;
  /** Changes what is held directly; unchanged if undefined. */
  permissions?: PermissionChange | undefined;
}

export interface Access {
  roles: string[];
  /** The permissions in effect, sorted. */
  permissions: string[];
}

/** A change of access that was checked, and not yet written. */
export interface AccessPlan {
  readonly before: Access;
  readonly after: Access;
  /** The permissions that the member would hold in addition. */
  readonly added: readonly string[];
  /** Those of them that need a second administrator, if the policy asks for approvals. */
  readonly privileged: readonly string[];
  readonly changed: boolean;
}

/** A planned change of the access of a member. */
interface MemberPlan extends AccessPlan {
  /** The end of the membership; null if it has none. */
  readonly endsAt: Date | null;
}

function applyTo(direct: readonly string[], change: PermissionChange | undefined): string[] {
  if (change === undefined) return [...direct];
  if ('set' in change) return inOrder(change.set);
  const removed = new Set(change.remove);
  return inOrder([...direct, ...change.add].filter((permission) => !removed.has(permission)));
}

/**
 * Works out a change of a member's access, and checks that everything in it exists.
 * @param before the member's present access
 * @throws AppError UNKNOWN_PERMISSION if the change adds a permission that does not exist (an
 * unknown one that the member already has may stay or be removed); UNKNOWN_ROLE. ZodError for more
 * than 200 permissions
 */
export async function planAccess(
  tx: Tx,
  tenantId: string,
  before: Access,
  change: AccessChange,
): Promise<AccessPlan> {
  const oldRoles = await findRoles(tx, tenantId, before.roles);
  const newRoles = change.roles ? await findAllRoles(tx, tenantId, change.roles) : oldRoles;
  const direct = applyTo(directPermissions(before.permissions, oldRoles), change.permissions);
  const permissions = effectivePermissions(newRoles, direct);
  const added = permissions.filter((one) => !before.permissions.includes(one));
  const privileged = await privilegedAmong(tx, added);
  staffInput.shape.permissions.parse(permissions);
  const after = { roles: inOrder(newRoles.map(({ id }) => id)), permissions };
  const changed = JSON.stringify(after) !== JSON.stringify(before);
  return { before, after, added, privileged, changed };
}

/** Returns the access of a stored member, in the order in which it is compared. */
export const accessOf = ({ roles, permissions }: Pick<LockedStaff, 'roles' | 'permissions'>) => ({
  roles: inOrder(roles),
  permissions: inOrder(permissions),
});

/** Writes a planned change and records it; a plan that changes nothing does neither. */
export async function writeAccess(
  tx: Tx,
  ctx: RequestContext,
  { tenantId, staffId }: StaffIds,
  { before, after, changed }: AccessPlan,
  provenance: Provenance | Origin,
): Promise<void> {
  if (!changed) return;
  await updateAccess(tx, tenantId, { staffId, ...after });
  await recordAudit(tx, ctx, {
    action: 'STAFF_PERMISSIONS_CHANGED',
    outcome: 'success',
    tenantId,
    subject: `staff:${staffId}`,
    details: {
      before: before.permissions,
      after: after.permissions,
      rolesBefore: before.roles,
      rolesAfter: after.roles,
      ...provenance,
    },
  });
}

/**
 * Locks a member and plans a change of their access by the actor of an administration.
 * @throws AppError NOT_FOUND if the tenant has no such member, or they were removed;
 * NOT_YOURS_TO_MANAGE, NOT_YOURS_TO_GIVE, and what {@link planAccess} throws
 */
export async function planAccessOf(
  tx: Tx,
  administration: Administration,
  staffId: string,
  change: AccessChange,
): Promise<MemberPlan> {
  const { tenantId } = administration;
  const staff = await lockStaffMember(tx, tenantId, staffId);
  if (!staff || staff.status === 'removed') throw new AppError('NOT_FOUND');
  const before = accessOf(staff);
  assertMayManage(administration, { staffId, permissions: before.permissions });
  const plan = await planAccess(tx, tenantId, before, change);
  assertMayGive(administration, plan.added);
  return { ...plan, endsAt: staff.endsAt };
}

/** A change of access in the form in which it waits for an approval. */
const storedAccess = z.strictObject({
  staffId: z.string(),
  roles: z.array(z.string()).optional(),
  permissions: z
    .union([
      z.strictObject({ set: z.array(z.string()) }),
      z.strictObject({ add: z.array(z.string()), remove: z.array(z.string()) }),
    ])
    .optional(),
});

/** Returns a planned change of access in the form in which it can wait for an approval. */
function toPrepared(tx: Tx, who: StaffIds, plan: MemberPlan): PreparedChange {
  const { before, after, added, endsAt } = plan;
  const { staffId } = who;
  return {
    effect: {
      ...{ before: { ...before }, after: { ...after } },
      // An approval of access for a time is no approval of access for longer.
      ...(endsAt === null ? {} : { membershipEndsAt: endsAt.toISOString() }),
    },
    about: `staff:${staffId}`,
    subject: staffId,
    given: added,
    members: [{ staffId, permissions: before.permissions }],
    write: (ctx, provenance) => writeAccess(tx, ctx, who, plan, provenance),
  };
}

/** Prepares a change of access that waited for an approval. */
export async function prepareStoredAccess(
  tx: Tx,
  administration: Administration,
  wanted: Json,
): Promise<PreparedChange> {
  const { staffId, ...change } = storedAccess.parse(wanted);
  const plan = await planAccessOf(tx, administration, staffId, change);
  return toPrepared(tx, { tenantId: administration.tenantId, staffId }, plan);
}

const toStored = (staffId: string, { roles, permissions }: AccessChange): Json => ({
  staffId,
  ...(roles ? { roles } : {}),
  ...(permissions ? { permissions: { ...permissions } } : {}),
});

/**
 * Changes what a member may do. Each request reads it again, so the change applies from the next
 * request on.
 * @param how on whose authority; an operator may insist on taking the last administrator's
 * permissions
 * @returns the access before and after; if they are equal, nothing is changed or recorded. With
 * `approval`, nothing is changed yet: the change waits for a second administrator
 * @throws AppError LAST_ADMINISTRATOR, NO_APPROVER, and what {@link planAccessOf} and `administer`
 * throw
 */
export async function changeAccess(
  deps: TenantDeps,
  ctx: RequestContext,
  { tenantId, staffId }: StaffIds,
  wanted: AccessChange,
  how: StaffAct,
): Promise<AccessPlan & { approval?: ApprovalRequest }> {
  const change = async (tx: Tx, administration: Administration) => {
    const plan = await planAccessOf(tx, administration, staffId, wanted);
    if (needsSecond(administration, plan.privileged)) {
      const approval = await requestApproval(deps, tx, ctx, administration, {
        kind: 'member',
        wanted: toStored(staffId, wanted),
        prepared: toPrepared(tx, { tenantId, staffId }, plan),
        reason: reasonOf(how),
      });
      return { ...plan, approval };
    }
    await writeAccess(tx, ctx, { tenantId, staffId }, plan, provenanceOf(deps, how));
    await assertAdministratorLeft(tx, administration, insists(how));
    return plan;
  };
  const authority = authorityOf(tenantId, how);
  return administer(deps, ctx, authority, 'TENANT_ROLES_MANAGE', change, [staffId]);
}
