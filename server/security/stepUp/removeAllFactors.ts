import { recordAudit } from '../../audit';
import type { RequestContext } from '../../context';
import type { Tx } from '../../db';
import { deleteRecoveryCodes } from './factorStore';
import { deletePasskeys } from './passkeyStore';
import { deleteTotp } from './totpStore';

/** How many factors of each kind were removed. */
export interface RemovedFactors {
  totp: number;
  passkeys: number;
  /** Including used ones. */
  recoveryCodes: number;
}

/**
 * Removes every factor of one membership, with an event for each kind. The caller holds the lock of
 * the staff member's row, and ends their sessions and pending proofs.
 */
export async function removeAllFactors(
  tx: Tx,
  ctx: RequestContext,
  { tenantId, staffId }: { tenantId: string; staffId: string },
  via: 'api' | 'operator' | 'expiry' | 'scim',
): Promise<RemovedFactors> {
  const record = (factor: 'totp' | 'passkey' | 'recovery_code', factorIds?: string[]) =>
    recordAudit(tx, ctx, {
      action: 'FACTOR_REMOVED',
      outcome: 'success',
      tenantId,
      subject: `staff:${staffId}`,
      details: { factor, via, ...(factorIds ? { factorIds } : {}) },
    });
  const totp = await deleteTotp(tx, tenantId, staffId);
  if (totp.length > 0) await record('totp', totp);
  const passkeys = await deletePasskeys(tx, tenantId, staffId);
  if (passkeys.length > 0) await record('passkey', passkeys);
  const recoveryCodes = await deleteRecoveryCodes(tx, tenantId, staffId);
  if (recoveryCodes > 0) await record('recovery_code');
  return { totp: totp.length, passkeys: passkeys.length, recoveryCodes };
}
