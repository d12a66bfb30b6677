import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import { AppError } from '../errors';
import { assertAdministratorLeft } from './administration';
import type { TenantDeps } from './deps';
import { listPermissions } from './knownPermissions';
import { assertMayGiveUntil, assertPossibleEnd } from './membershipEnd';
import { needsSecond } from './requestApproval';
import { actOnMember, provenanceOf } from './staffAct';
import type { StaffAct, StaffIds } from './staffAct';
import { updateEnd } from './tenantStore';

/** Returns whether a membership lasts longer with one end than with another. */
const isLater = (after: Date | null, before: Date | null): boolean =>
  before !== null && (after === null || after > before);

/**
 * Changes the end of a membership, or takes it away. Nobody changes their own end.
 * @param endsAt null if the membership shall have no end
 * @returns false if that is its end already; nothing is changed or recorded then
 * @throws AppError INVALID_INPUT for an end that is too near or too far; NOT_YOURS_TO_GIVE for one
 * later than the actor's own; FORBIDDEN if it is later than before and the tenant's policy asks for
 * an approval of what the member holds; NOT_FOUND if the membership has ended; what
 * {@link actOnMember} throws
 */
export async function changeMembershipEnd(
  deps: TenantDeps,
  ctx: RequestContext,
  who: StaffIds,
  endsAt: Date | null,
  how: StaffAct,
): Promise<boolean> {
  const { tenantId, staffId } = who;
  assertPossibleEnd('endsAt', endsAt, deps.clock.now());
  const rule = { needs: 'TENANT_STAFF_MANAGE', onSelf: false } as const;
  return actOnMember(deps, ctx, who, how, rule, async ({ tx, administration, staff }) => {
    if (staff.ended) throw new AppError('NOT_FOUND');
    const before = staff.endsAt;
    if (before?.getTime() === endsAt?.getTime()) return false;
    if (isLater(endsAt, before)) {
      assertMayGiveUntil(administration, endsAt);
      const known = await listPermissions(tx);
      const privileged = staff.permissions.filter((one) =>
        known.some(({ name, privileged: needs }) => needs && name === one),
      );
      if (needsSecond(administration, privileged)) {
        throw new AppError('FORBIDDEN', {
          detail: `This person holds ${privileged.join(', ')}, which needs the approval of a second administrator. Invite them again when the membership has ended.`,
        });
      }
    }
    await updateEnd(tx, tenantId, { staffId, endsAt });
    await recordAudit(tx, ctx, {
      action: 'STAFF_END_CHANGED',
      outcome: 'success',
      tenantId,
      subject: `staff:${staffId}`,
      details: {
        before: before?.toISOString() ?? null,
        after: endsAt?.toISOString() ?? null,
        ...provenanceOf(deps, how),
      },
    });
    await assertAdministratorLeft(tx, administration);
    return true;
  });
}
