import { endKeysOfHolder } from '../apiKeys';
import { recordAudit } from '../audit';
import { invalidateSessions } from '../auth';
import type { RequestContext } from '../context';
import { endLinks } from '../identities';
import { removeAllFactors } from '../security';
import { writeAccess } from './changeAccess';
import { endMembership } from './changeStaffStatus';
import type { TenantDeps } from './deps';
import { revokeInvitationsOf } from './revokeInvitationsOf';
import { actOnMember, provenanceOf } from './staffAct';
import type { DirectoryAct, EndAct, LockedMember, StaffAct, StaffIds } from './staffAct';
import { markRemoved } from './tenantStore';

/**
 * Ends everything that a locked member has in the tenant, and records it. The row stays as that of a
 * former member, because evidence points to it.
 */
export async function endForGood(
  deps: Pick<TenantDeps, 'clock'>,
  ctx: RequestContext,
  who: StaffIds,
  how: StaffAct | EndAct | DirectoryAct,
  member: Pick<LockedMember, 'tx' | 'mode' | 'staff'>,
): Promise<void> {
  const { tenantId, staffId } = who;
  const { tx, mode, staff } = member;
  const { status, roles, permissions, endsAt } = staff;
  if (status === 'active') await endMembership(deps, ctx, who, how, member);
  const before = { roles: [...roles], permissions: [...permissions].sort() };
  const after = { roles: [], permissions: [] };
  const changed = roles.length + permissions.length > 0;
  const plan = { before, after, added: [], privileged: [], changed };
  const origin = provenanceOf(deps, how);
  await writeAccess(tx, ctx, who, plan, origin);
  await removeAllFactors(tx, ctx, who, how.via);
  await revokeInvitationsOf(tx, ctx, tenantId, { staffId, via: how.via });
  await endKeysOfHolder(tx, ctx, tenantId, staffId);
  await endLinks(tx, ctx, tenantId, { staffId }, { reason: 'member_removed', via: how.via });
  await recordAudit(tx, ctx, {
    action: 'STAFF_REMOVED',
    outcome: 'success',
    tenantId,
    subject: `staff:${staffId}`,
    details: { ...origin, ...(endsAt === null ? {} : { endsAt: endsAt.toISOString() }) },
  });
  await markRemoved(tx, tenantId, staffId);
  if (status === 'disabled') {
    const ended = { staffId, reason: 'manual' as const, now: deps.clock.now() };
    await invalidateSessions(tx, ctx, mode, tenantId, ended);
  }
}

/**
 * Removes a member from the tenant. Their access, roles, permissions, API keys, links to providers
 * and factors of this membership end, and so do open invitations that they sent or that were sent to their address.
 * @throws what {@link actOnMember} throws
 */
export async function removeStaff(
  deps: TenantDeps,
  ctx: RequestContext,
  who: StaffIds,
  how: StaffAct,
): Promise<void> {
  const { tenantId, staffId } = who;
  const rule = { needs: 'TENANT_STAFF_MANAGE', onSelf: false } as const;
  await actOnMember(deps, ctx, who, how, rule, (member) => endForGood(deps, ctx, who, how, member));
  deps.riskFacts.forget(tenantId, staffId);
}
