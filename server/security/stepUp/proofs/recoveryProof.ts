import { countRecoveryCodes, findRecoveryCode, spendRecoveryCode } from '../factorStore';
import { hashesOfRecoveryCode, looksLikeRecoveryCode } from '../recoveryCode';
import type { Proof } from './proof';

/** The proof by a recovery code, for the day when the person's other factors are out of reach. */
export const recoveryProof: Proof = {
  method: 'recovery_code',
  isAvailable: async (_deps, db, { tenantId, staffId }) =>
    (await countRecoveryCodes(db, tenantId, staffId)).left > 0,
  fits: (answer) => answer.kind === 'code' && looksLikeRecoveryCode(answer.code),
  async check({ db, keys, clock }, { tenantId, staffId }, answer) {
    if (answer.kind !== 'code') return 'wrong_code';
    const codeHashes = hashesOfRecoveryCode(keys, staffId, answer.code);
    const id = await findRecoveryCode(db, tenantId, { staffId, codeHashes });
    if (id === undefined) return 'wrong_code';
    return (tx) => spendRecoveryCode(tx, tenantId, { id, now: clock.now() });
  },
};
