import type { KeyRing } from '../keyRing';
import type { Answer } from './proofs';
import { looksLikeRecoveryCode, readRecoveryCode } from './recoveryCode';

/** A recovery code however it was typed; the signature says which assertion of a passkey it is. */
function toParts(answer: Answer): string[] {
  if (answer.kind === 'passkey') {
    const { id, response } = answer.response;
    return ['passkey', id, response.signature];
  }
  const { code } = answer;
  return ['code', looksLikeRecoveryCode(code) ? readRecoveryCode(code) : code];
}

/** What is kept of the answer that verified a challenge: it tells the same answer again, to that challenge alone. */
export const hashAnswer = (keys: KeyRing, challengeId: string, answer: Answer): string =>
  keys.hash('step-up-answer', challengeId, ...toParts(answer)).toString('hex');

/** The same under each accepted key: the node that verified may have had another one. */
export const hashesOfAnswer = (keys: KeyRing, challengeId: string, answer: Answer): string[] =>
  keys
    .hashAll('step-up-answer', challengeId, ...toParts(answer))
    .map((hash) => hash.toString('hex'));
