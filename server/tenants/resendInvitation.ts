import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import { assertRowId } from '../db/ids';
import type { InvitationDelivery } from '../db/schema';
import type { TenantDeps } from './deps';
import { AppError } from '../errors';
import { administer } from './administer';
import type { Authority } from './administer';
import { assertNoMember, assertRoom, deliverInvitation, expiryOf } from './createInvitation';
import { planInvitation } from './createInvitation';
import type { SentInvitation } from './createInvitation';
import { planOfInviter } from './inviterStands';
import { findInvitation, renewLink, statusOf } from './invitationStore';

/**
 * Sends an invitation again, with a new link and the full time; the earlier link ends. An expired
 * one opens again.
 * @param which its id, and the delivery if that changes
 * @throws AppError NOT_FOUND; INVITATION_CLOSED if it was accepted or revoked; NOT_YOURS_TO_GIVE if
 * the actor could not send it; INVITATION_NO_LONGER_VALID if the inviter could not any more,
 * or the membership would have ended;
 * ALREADY_MEMBER, TOO_MANY_INVITATIONS, METHOD_UNAVAILABLE, and what `administer` throws
 */
export async function resendInvitation(
  deps: TenantDeps,
  ctx: RequestContext,
  authority: Authority,
  which: { id: string; delivery?: InvitationDelivery | undefined },
): Promise<SentInvitation> {
  assertRowId(which.id);
  const { via } = authority;
  return administer(deps, ctx, authority, 'TENANT_STAFF_MANAGE', async (tx, begun) => {
    const before = await findInvitation(tx, begun.tenantId, which.id);
    if (!before) throw new AppError('NOT_FOUND');
    if (before.acceptedAt || before.revokedAt) throw new AppError('INVITATION_CLOSED');
    await planInvitation(tx, begun, before);
    if (!(await planOfInviter(tx, ctx, before))) throw new AppError('INVITATION_NO_LONGER_VALID');
    await assertNoMember(tx, begun.tenantId, before.email);
    const now = deps.clock.now();
    if (before.membershipEndsAt && before.membershipEndsAt <= now) {
      throw new AppError('INVITATION_NO_LONGER_VALID');
    }
    if (statusOf(before, now) === 'expired') await assertRoom(tx, begun.tenantId, now);
    const invitation = await renewLink(tx, before, {
      linkId: deps.random.id(),
      delivery: which.delivery ?? before.delivery,
      sentAt: now,
      expiresAt: expiryOf(deps, before.membershipEndsAt),
    });
    const { tenantId, id, delivery, expiresAt } = invitation;
    await recordAudit(tx, ctx, {
      action: 'INVITATION_RESENT',
      outcome: 'success',
      tenantId,
      subject: `invitation:${id}`,
      details: { delivery, expiresAt: expiresAt.toISOString(), via },
    });
    return deliverInvitation(deps, tx, invitation);
  });
}
