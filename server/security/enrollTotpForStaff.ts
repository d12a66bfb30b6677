import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import { noticeFactorChanged } from '../mail';
import type { NoticeDeps } from '../mail';
import { endProofs } from './endProofs';
import { lockFactors } from './factorStore';
import { generateTotpSecret, sealTotpSecret } from './totp';
import { deleteTotp, insertTotp } from './totpStore';

/**
 * Enrols a TOTP factor for somebody, replacing what they had: the operator's way to let a person on who
 * has lost theirs, or never had one. The secret is handed over out of band. A mail tells them, once somebody wakes the
 * mailer; not where the account itself is being made at a first start.
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
    // A lost phone may have proven a login, or a step-up, that is not finished yet.
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
    // The actor is not whose it is.
    subject: `staff:${staff.staffId}`,
    details: { ...details, factorIds: [id] },
  });
  if (via === 'operator') {
    const change = replaces ? 'replaced' : 'added';
    await noticeFactorChanged(deps, tx, ctx, staff, { factor: 'totp', change });
  }
  return secret;
}
