import type { Principal, RequestContext } from '../context';
import type { Tx } from '../db';
import type { TenantDeps } from './deps';
import { AppError } from '../errors';
import type { Passage } from '../http/passage';
import type { BuiltInPermission } from '../permissions';
import { withSessionTable } from '../auth';
import type { SessionMode } from '../auth';
import { administer } from './administer';
import type { Authority } from './administer';
import { assertAdministratorLeft, assertMayManage } from './administration';
import type { Administration } from './administration';
import { lockStaffMember } from './tenantStore';
import type { LockedStaff } from './tenantStore';

export interface StaffIds {
  tenantId: string;
  staffId: string;
}

/** An operator's act. */
export interface OperatorAct {
  via: 'operator';
  /** The operator accepts that the tenant loses its last administrator. */
  insists?: boolean;
}

/** A member's act by the API. */
export interface MemberAct {
  via: 'api';
  principal: Principal;
  /** How the request passed the step-up; absent if the route asks for none. */
  passage?: Passage;
  /** When the request arrived. */
  askedAt: Date;
  /** The member's reason, for the audit log. */
  reason?: string | undefined;
}

/** An act of the tenant's directory, by SCIM. */
export interface DirectoryAct {
  via: 'scim';
  /** When the request arrived. */
  askedAt: Date;
}

/** The authority on which a member is changed, and the facts that are recorded about it. */
export type StaffAct = OperatorAct | MemberAct;

/** A membership has reached its end, so nobody acts. */
export interface EndAct {
  via: 'expiry';
}

/** Returns the authority of an act, for `administer`. */
export function authorityOf(tenantId: string, how: StaffAct): Authority {
  if (how.via === 'operator') return { via: 'operator', tenantId };
  const { principal, passage } = how;
  return { via: 'api', principal, ...(passage ? { passage } : {}) };
}

/** Returns whether an operator accepts that the tenant loses its last administrator. */
export const insists = (how: StaffAct): boolean => how.via === 'operator' && how.insists === true;

/** Returns the reason that a member gave for an act. */
export const reasonOf = (how: StaffAct): string | undefined =>
  how.via === 'api' ? how.reason : undefined;

/** Returns who asked for an act and why, and the seconds from the request until now. */
export function provenanceOf(
  { clock }: Pick<TenantDeps, 'clock'>,
  how: StaffAct | EndAct | DirectoryAct,
) {
  if (how.via === 'operator' || how.via === 'expiry') return { via: how.via };
  const secondsToEffect = Math.max(0, clock.now().getTime() - how.askedAt.getTime()) / 1000;
  if (how.via === 'scim') return { via: how.via, secondsToEffect };
  const { principal, reason } = how;
  return {
    via: how.via,
    requestedBy: principal.staffId,
    secondsToEffect,
    ...(reason === undefined ? {} : { reason }),
  };
}

/** Who asked for an act, and how long it took, as events record it. */
export type Origin = ReturnType<typeof provenanceOf>;

/** The parts that an act on a locked member uses. */
export interface LockedMember {
  tx: Tx;
  mode: SessionMode;
  administration: Administration;
  staff: LockedStaff;
}

/**
 * Runs an act on one member: begins the administration, locks the member, checks that the actor may
 * manage them, and at the end that the tenant has an administrator left.
 * @param rule the permission that a member needs for it, and whether they may do it to themselves
 * @returns the result of the act
 * @throws AppError NOT_FOUND if the tenant has no such member, or they were removed; OWN_MEMBERSHIP;
 * NOT_YOURS_TO_MANAGE; LAST_ADMINISTRATOR; what `administer` and the act throw
 */
export async function actOnMember<T>(
  deps: TenantDeps,
  ctx: RequestContext,
  { tenantId, staffId }: StaffIds,
  how: StaffAct,
  rule: { needs: BuiltInPermission; onSelf: boolean },
  act: (member: LockedMember) => Promise<T>,
): Promise<T> {
  return withSessionTable(deps, (mode) =>
    administer(
      deps,
      ctx,
      authorityOf(tenantId, how),
      rule.needs,
      async (tx, administration) => {
        const staff = await lockStaffMember(tx, tenantId, staffId);
        if (!staff || staff.status === 'removed') throw new AppError('NOT_FOUND');
        const { actor } = administration;
        const isSelf = actor.kind === 'member' && actor.staffId === staffId;
        if (isSelf && !rule.onSelf) throw new AppError('OWN_MEMBERSHIP');
        assertMayManage(administration, { staffId, permissions: staff.permissions });
        const result = await act({ tx, mode, administration, staff });
        await assertAdministratorLeft(tx, administration, insists(how));
        return result;
      },
      [staffId],
    ),
  );
}
