import type { Tx } from '../../db';
import type { SecurityDeps } from '../deps';
import { clearAttempts } from './attemptStore';
import { PASSWORD_SCOPES, attemptSubject, begunAccountSubject } from './attempts';

/**
 * Deletes all counters of guesses that anybody may make at an account: at its password, and at the
 * codes of logins that begin with the second factor. Call it in the transaction that completes a
 * sign-in, or that records an unlock. A caller that also locks the staff member's row must do so
 * first, as every path does, to avoid deadlocks.
 * @returns how many counters were deleted
 */
export async function forgetGuesses(
  { keys }: Pick<SecurityDeps, 'keys'>,
  tx: Tx,
  email: string,
): Promise<number> {
  const subject = attemptSubject(keys, 'email', email);
  const passwords = await clearAttempts(tx, PASSWORD_SCOPES, subject);
  return passwords + (await clearAttempts(tx, ['step_up'], begunAccountSubject(keys, subject)));
}
