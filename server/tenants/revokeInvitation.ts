import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import { assertRowId } from '../db/ids';
import { inTenant } from '../db/tenantScope';
import type { TenantDeps } from './deps';
import { AppError } from '../errors';
import { beginAdministration } from './administration';
import { findInvitation, markRevoked, statusOf } from './invitationStore';

/**
 * Revokes an open invitation: its link ends.
 * @throws AppError NOT_FOUND; INVITATION_CLOSED if it is not open; what `beginAdministration` throws
 */
export async function revokeInvitation(
  deps: Pick<TenantDeps, 'db' | 'clock'>,
  ctx: RequestContext,
  { tenantId, id }: { tenantId: string; id: string },
  via: 'api' | 'operator',
): Promise<void> {
  assertRowId(id);
  await inTenant(deps.db, tenantId, async (tx) => {
    await beginAdministration(tx, ctx, tenantId, 'TENANT_STAFF_MANAGE');
    const invitation = await findInvitation(tx, tenantId, id);
    if (!invitation) throw new AppError('NOT_FOUND');
    const now = deps.clock.now();
    if (statusOf(invitation, now) !== 'open') throw new AppError('INVITATION_CLOSED');
    await markRevoked(tx, invitation, now);
    await recordAudit(tx, ctx, {
      action: 'INVITATION_REVOKED',
      outcome: 'success',
      tenantId,
      subject: `invitation:${id}`,
      details: { reason: 'revoked', via },
    });
  });
}
