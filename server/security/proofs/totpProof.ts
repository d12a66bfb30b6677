import { checkTotpCode, openTotpSecret } from '../totp';
import { hasTotp, listTotp, spendTotpStep } from '../totpStore';
import type { TotpRow } from '../totpStore';
import type { Proof } from './proof';

/** A code of an authenticator app (RFC 6238); a person may have several, and any of them will do. */
export const totpProof: Proof = {
  method: 'totp',
  isAvailable: (_deps, db, { tenantId, staffId }) => hasTotp(db, tenantId, staffId),
  fits: (answer) => answer.kind === 'code' && /^\d{6}$/.test(answer.code),
  async check(deps, challenge, answer) {
    if (answer.kind !== 'code') return 'wrong_code';
    const now = deps.clock.now();
    const factors = await listTotp(deps.db, challenge.tenantId, challenge.staffId);
    let unreadable = false;
    let found: { factor: TotpRow; step: number } | undefined;
    // All are looked at, whichever fits: the time an answer takes must not tell which.
    for (const factor of factors) {
      const secret = openTotpSecret(deps.keys, factor, factor.secretSealed);
      if (secret === null) {
        unreadable = true;
        const what = 'a TOTP secret does not open: another key, or moved here';
        deps.logger.error({ factorId: factor.id }, what);
        continue;
      }
      const step = await checkTotpCode(secret, answer.code, now, null);
      if (step !== null) found ??= { factor, step };
    }
    if (!found) return unreadable ? 'factor_unreadable' : 'wrong_code';
    const { factor, step } = found;
    return (tx) => spendTotpStep(tx, factor, { step, now });
  },
};
