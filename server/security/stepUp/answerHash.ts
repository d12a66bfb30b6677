import type { KeyRing } from '../../keyRing';
import type { Answer } from './proofs';
import { looksLikeRecoveryCode, readRecoveryCode } from './recoveryCode';

/**
 * Normalises a recovery code, however it was typed. For a passkey, the signature identifies the
 * assertion.
 */
function toParts(answer: Answer): string[] {
  if (answer.kind === 'passkey') {
    const { id, response } = answer.response;
    return ['passkey', id, response.signature];
  }
  const { code } = answer;
  return ['code', looksLikeRecoveryCode(code) ? readRecoveryCode(code) : code];
}

/**
 * Hashes the answer that verified a challenge. The stored hash recognises the same answer to the
 * same challenge.
 */
export const hashAnswer = (keys: KeyRing, challengeId: string, answer: Answer): string =>
  keys.hash('step-up-answer', challengeId, ...toParts(answer)).toString('hex');

/**
 * Returns this hash under each accepted key, because the node that verified may have used another
 * one.
 */
export const hashesOfAnswer = (keys: KeyRing, challengeId: string, answer: Answer): string[] =>
  keys
    .hashAll('step-up-answer', challengeId, ...toParts(answer))
    .map((hash) => hash.toString('hex'));
