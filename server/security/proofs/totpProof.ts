import type { Challenge } from '../challengeStore';
import { checkTotpCode, openTotpSecret, unreadableFactor } from '../totp';
import { hasTotp, listTotp, spendTotpStep } from '../totpStore';
import type { TotpRow } from '../totpStore';
import type { Proof, ProofDeps } from './proof';

/** 160 bits in base32, that open nothing. */
const NOBODYS_SECRET = 'A'.repeat(32);

/** The authenticators of a person with their secrets; null for a secret that no key here opens. */
async function openAll(deps: ProofDeps, { tenantId, staffId }: Challenge) {
  const factors = await listTotp(deps.db, tenantId, staffId);
  return factors.map((factor) => {
    const secret = openTotpSecret(deps.keys, factor, factor.secretSealed);
    if (secret === null) {
      const { id: factorId, keyId } = factor;
      deps.logger.error(
        { factorId, keyId },
        'a TOTP secret does not open: another key, or moved here',
      );
    }
    return { factor, secret };
  });
}

/** A code of an authenticator app (RFC 6238); a person may have several, and any of them will do. */
export const totpProof: Proof = {
  method: 'totp',
  isAvailable: (_deps, db, { tenantId, staffId }) => hasTotp(db, tenantId, staffId),
  fits: (answer) => answer.kind === 'code' && /^\d{6}$/.test(answer.code),
  async assertJudgeable(deps, challenge) {
    const opened = await openAll(deps, challenge);
    if (opened.length > 0 && opened.every(({ secret }) => secret === null))
      throw unreadableFactor();
  },
  async check(deps, challenge, answer) {
    if (answer.kind !== 'code') return 'wrong_code';
    const now = deps.clock.now();
    const opened = await openAll(deps, challenge);
    let found: { factor: TotpRow; step: number } | undefined;
    // As much work for somebody without an authenticator, or who does not exist, as for one.
    if (opened.length === 0) await checkTotpCode(NOBODYS_SECRET, answer.code, now, null);
    // All are looked at, whichever fits: the time an answer takes must not tell which.
    for (const { factor, secret } of opened) {
      const step = secret === null ? null : await checkTotpCode(secret, answer.code, now, null);
      if (step !== null) found ??= { factor, step };
    }
    if (!found) {
      return opened.some(({ secret }) => secret === null) ? 'factor_unreadable' : 'wrong_code';
    }
    const { factor, step } = found;
    return (tx) => spendTotpStep(tx, factor, { step, now });
  },
};
