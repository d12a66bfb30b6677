import { recordAudit } from '../audit';
import type { AuditEvent } from '../audit';
import { endOwnProofLinks, endPasswordResets, lockMemberships } from '../auth';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import type { TenantDeps } from './deps';
import { endProofs } from '../security';
import { endPendingChanges, replaceAddress } from './addressStore';

type Details = Extract<AuditEvent, { action: 'STAFF_EMAIL_CHANGED' }>['details'];

/**
 * Replaces a person's address and records it in the audit log of each tenant in which they are
 * staff. If the mailbox is another one, everything ends that was mailed to the old one or asked for
 * under it: codes, links for a new password or the person's own proof, and pending changes of the
 * address. Sessions go on.
 * @param change the address as it was read, and the new one in its normal form
 * @returns false if the address changed in the meantime; nothing is recorded then
 * @throws the driver's unique violation if somebody else has the new address
 */
export async function changeEmail(
  { clock }: Pick<TenantDeps, 'clock'>,
  tx: Tx,
  ctx: RequestContext,
  change: { userId: string; from: string; to: string },
  details: Details,
): Promise<boolean> {
  const { userId } = change;
  // Tenants that the person has left are not among them, and learn nothing.
  const memberships = await lockMemberships(tx, userId);
  if (!(await replaceAddress(tx, change))) return false;
  if (details.change === 'renamed') {
    const now = clock.now();
    for (const { tenantId, staffId } of memberships) {
      await endProofs(tx, tenantId, { staffId, now });
      await endOwnProofLinks(tx, tenantId, staffId);
    }
    await endPendingChanges(tx, userId, now);
    await endPasswordResets(tx, userId);
  }
  for (const { tenantId, staffId } of memberships) {
    await recordAudit(tx, ctx, {
      action: 'STAFF_EMAIL_CHANGED',
      outcome: 'success',
      tenantId,
      subject: `staff:${staffId}`,
      details,
    });
  }
  return true;
}

/** Runs {@link changeEmail} for an operator, in its own transaction. */
export const renameStaff = (
  deps: Pick<TenantDeps, 'db' | 'clock'>,
  ctx: RequestContext,
  change: { userId: string; from: string; to: string },
): Promise<boolean> =>
  deps.db.transaction((tx) =>
    changeEmail(deps, tx, ctx, change, { change: 'renamed', via: 'operator' }),
  );
