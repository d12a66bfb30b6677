import { recordAudit } from '../audit';
import type { AuditEvent } from '../audit';
import { endPasswordResets } from '../auth';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import type { TenantDeps } from './deps';
import { listMembershipsOf, replaceAddress } from './addressStore';

type Details = Extract<AuditEvent, { action: 'STAFF_EMAIL_CHANGED' }>['details'];

/**
 * Replaces a person's address, ends their open links for a new password, and records the change in the audit log of each tenant in which they are
 * staff.
 * @param change the address as it was read, and the new one in its normal form
 * @returns false if the address changed in the meantime; nothing is recorded then
 * @throws the driver's unique violation if somebody else has the new address
 */
export async function changeEmail(
  tx: Tx,
  ctx: RequestContext,
  change: { userId: string; from: string; to: string },
  details: Details,
): Promise<boolean> {
  if (!(await replaceAddress(tx, change))) return false;
  // A link for a new password that was mailed to the earlier address.
  await endPasswordResets(tx, change.userId);
  for (const { tenantId, staffId } of await listMembershipsOf(tx, [change.userId])) {
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
  deps: Pick<TenantDeps, 'db'>,
  ctx: RequestContext,
  change: { userId: string; from: string; to: string },
): Promise<boolean> =>
  deps.db.transaction((tx) => changeEmail(tx, ctx, change, { change: 'renamed', via: 'operator' }));
