import type { Challenge } from '../challengeStore';
import { checkTotpCode, openTotpSecret, unreadableFactor } from '../totp';
import { hasTotp, listTotp, spendTotpStep } from '../totpStore';
import type { TotpRow } from '../totpStore';
import type { Proof, ProofDeps } from './proof';

/** A dummy secret of 160 bits in base32, which belongs to nobody. */
const NOBODYS_SECRET = 'A'.repeat(32);

/**
 * Loads a person's authenticators with their secrets; the secret is null if no key here can decrypt
 * it.
 */
async function openAll(deps: ProofDeps, { tenantId, staffId }: Challenge) {
  const factors = await listTotp(deps.db, tenantId, staffId);
  return factors.map((factor) => {
    const secret = openTotpSecret(deps.keys, factor, factor.secretSealed);
    if (secret === null) {
      const { id: factorId, keyId } = factor;
      deps.logger.error(
        { factorId, keyId },
        'a TOTP secret cannot be decrypted: it was encrypted with another key, or copied from another row',
      );
    }
    return { factor, secret };
  });
}

/**
 * The proof by a code of an authenticator app (RFC 6238). A person may have several; a code of any
 * of them is accepted.
 */
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
    // Do the same work for a person without an authenticator, or who does not exist, as for one
    // with an authenticator.
    if (opened.length === 0) await checkTotpCode(NOBODYS_SECRET, answer.code, now, null);
    // Check all of them, whichever matches: the time of the answer must not reveal which one.
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
