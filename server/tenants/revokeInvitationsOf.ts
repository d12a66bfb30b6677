import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import { markAllRevoked, markRevokedOf } from './invitationStore';

/**
 * Revokes the open invitations that a member has sent, and those to their address. Call it in the
 * transaction that disables or removes the member, after the tenant was locked by
 * `beginAdministration`.
 * @returns how many were revoked
 */
export async function revokeInvitationsOf(
  tx: Tx,
  ctx: RequestContext,
  tenantId: string,
  { staffId, via }: { staffId: string; via: 'api' | 'operator' | 'expiry' | 'scim' },
): Promise<number> {
  const revoked = await markRevokedOf(tx, tenantId, staffId);
  for (const { id, ofInviter } of revoked) {
    await recordAudit(tx, ctx, {
      action: 'INVITATION_REVOKED',
      outcome: 'success',
      tenantId,
      subject: `invitation:${id}`,
      details: { reason: ofInviter ? 'inviter_left' : 'invited_left', via },
    });
  }
  return revoked.length;
}

/**
 * Revokes all open invitations of a tenant. Call it in the transaction that deletes the tenant.
 * @returns how many were revoked
 */
export async function revokeAllInvitations(
  tx: Tx,
  ctx: RequestContext,
  tenantId: string,
): Promise<number> {
  const revoked = await markAllRevoked(tx, tenantId);
  for (const id of revoked) {
    await recordAudit(tx, ctx, {
      action: 'INVITATION_REVOKED',
      outcome: 'success',
      tenantId,
      subject: `invitation:${id}`,
      details: { reason: 'tenant_deleted', via: 'operator' },
    });
  }
  return revoked.length;
}
