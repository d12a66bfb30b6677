import { recordAudit } from '../../audit';
import type { RequestContext } from '../../context';
import type { Tx } from '../../db';
import { noticeFactorChanged } from '../../mail';
import type { NoticeDeps } from '../../mail';
import { endProofs } from './endProofs';
import { lockFactors } from './factorStore';
import { generateTotpSecret, sealTotpSecret } from './totp';
import { deleteTotp, insertTotp } from './totpStore';

/**
 * Enrols a TOTP factor for a staff member and replaces the ones they had. Operators use it for a
 * person who has lost their factor or never had one; the secret is handed over by another channel.
 * It queues a mail to the person, which is sent once the caller wakes the mailer. No mail is queued
 * when the account itself is being created at a first start.
 * @returns the secret in base32
 */
export async function enrollTotpForStaff(
  deps: NoticeDeps,
  tx: Tx,
  ctx: RequestContext,
  staff: { tenantId: string; userId: string; staffId: string },
  via: 'operator' | 'bootstrap',
): Promise<string> {
  const id = deps.random.id();
  const now = deps.clock.now();
  const secret = generateTotpSecret(deps.random);
  const about = { tenantId: staff.tenantId, outcome: 'success' as const };
  const details = { factor: 'totp' as const, via };
  await lockFactors(tx, staff.tenantId, staff.staffId);
  const factorIds = await deleteTotp(tx, staff.tenantId, staff.staffId);
  const replaces = factorIds.length > 0;
  if (replaces) {
    // A lost phone may have verified a login or step-up that is not finished yet.
    await endProofs(tx, staff.tenantId, { staffId: staff.staffId, now });
    await recordAudit(tx, ctx, {
      ...about,
      action: 'FACTOR_REMOVED',
      subject: `staff:${staff.staffId}`,
      details: { ...details, factorIds },
    });
  }
  const secretSealed = sealTotpSecret(deps.keys, { ...staff, id }, secret);
  await insertTotp(tx, {
    ...staff,
    id,
    secretSealed,
    keyId: deps.keys.ids.encryption,
    createdAt: now,
    confirmedAt: now,
  });
  await recordAudit(tx, ctx, {
    ...about,
    action: 'FACTOR_ENROLLED',
    // The actor is not the owner of the factor.
    subject: `staff:${staff.staffId}`,
    details: { ...details, factorIds: [id] },
  });
  if (via === 'operator') {
    const change = replaces ? 'replaced' : 'added';
    await noticeFactorChanged(deps, tx, ctx, staff, { factor: 'totp', change });
  }
  return secret;
}
