import { recordAudit } from '../audit';
import { endResetsIfShutOut, invalidateSessions } from '../auth';
import type { RequestContext } from '../context';
import type { TenantDeps } from './deps';
import { AppError } from '../errors';
import { keepDisabled } from './keepDisabled';
import { assertMayGiveUntil } from './membershipEnd';
import { revokeInvitationsOf } from './revokeInvitationsOf';
import { actOnMember, provenanceOf } from './staffAct';
import type { DirectoryAct, EndAct, LockedMember, StaffAct, StaffIds } from './staffAct';
import { markDisabled, markEnabled } from './tenantStore';

/**
 * Disables a locked, active member: records it, ends their sessions, tokens, pending proofs and open
 * links for a new password, and revokes the open invitations that they sent or got.
 */
export async function endMembership(
  deps: Pick<TenantDeps, 'clock'>,
  ctx: RequestContext,
  { tenantId, staffId }: StaffIds,
  how: StaffAct | EndAct | DirectoryAct,
  { tx, mode }: Pick<LockedMember, 'tx' | 'mode'>,
): Promise<void> {
  // Record the event first, and use one clock for both, so that the ended sessions do not
  // appear to have ended before it.
  await recordAudit(tx, ctx, {
    action: 'STAFF_DISABLED',
    outcome: 'success',
    tenantId,
    subject: `staff:${staffId}`,
    details: provenanceOf(deps, how),
  });
  const now = await markDisabled(tx, tenantId, staffId);
  await invalidateSessions(tx, ctx, mode, tenantId, { staffId, reason: 'manual', now });
  await endResetsIfShutOut(tx, { tenantId, staffId });
  await revokeInvitationsOf(tx, ctx, tenantId, { staffId, via: how.via });
}

/**
 * Ends a staff member's access to this tenant: their sessions and refresh tokens end, and their
 * next request is refused on every node. The person's other memberships stay.
 * If the tenant's directory has disabled them, the act keeps it from enabling them.
 * @returns false if they are already disabled otherwise; nothing is changed or recorded then
 * @throws what {@link actOnMember} throws
 */
export async function disableStaff(
  deps: TenantDeps,
  ctx: RequestContext,
  who: StaffIds,
  how: StaffAct,
): Promise<boolean> {
  const rule = { needs: 'TENANT_STAFF_MANAGE', onSelf: false } as const;
  const done = await actOnMember(deps, ctx, who, how, rule, async (member) => {
    if (member.staff.status === 'disabled') return keepDisabled(deps, ctx, who, how, member.tx);
    await endMembership(deps, ctx, who, how, member);
    return true;
  });
  if (done) deps.riskFacts.forget(who.tenantId, who.staffId);
  return done;
}

/**
 * Enables a disabled staff member again, with the permissions and factors that they had. Ended
 * sessions stay ended: the person must sign in again.
 * @returns false if they are not disabled; nothing is changed or recorded then
 * @throws AppError NOT_YOURS_TO_GIVE if their membership ends later than the actor's own; NOT_FOUND
 * if it has ended; what {@link actOnMember} throws
 */
export async function enableStaff(
  deps: TenantDeps,
  ctx: RequestContext,
  who: StaffIds,
  how: StaffAct,
): Promise<boolean> {
  const { tenantId, staffId } = who;
  const rule = { needs: 'TENANT_STAFF_MANAGE', onSelf: true } as const;
  return actOnMember(deps, ctx, who, how, rule, async ({ tx, administration, staff }) => {
    if (staff.ended) throw new AppError('NOT_FOUND');
    if (staff.status === 'active') return false;
    assertMayGiveUntil(administration, staff.endsAt);
    await markEnabled(tx, tenantId, staffId);
    await recordAudit(tx, ctx, {
      action: 'STAFF_ENABLED',
      outcome: 'success',
      tenantId,
      subject: `staff:${staffId}`,
      details: {
        disabledAt: staff.disabledAt?.toISOString() ?? null,
        ...provenanceOf(deps, how),
      },
    });
    return true;
  });
}
