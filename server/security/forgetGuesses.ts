import type { Tx } from '../db';
import type { Deps } from '../deps';
import { clearAttempts } from './attemptStore';
import { PASSWORD_SCOPES, attemptSubject, begunAccountSubject } from './attempts';

/**
 * Forgets all guesses at an account that anybody may make: at its password, and at the codes of logins that begin with the
 * factor. To be called in the transaction that completes a sign-in, or that records who unlocked the account. A caller who
 * locks the staff member's row as well does so before: so does everybody, and nobody waits in a circle.
 * @returns how many counters there were
 */
export async function forgetGuesses(
  { keys }: Pick<Deps, 'keys'>,
  tx: Tx,
  email: string,
): Promise<number> {
  const subject = attemptSubject(keys, 'email', email);
  const passwords = await clearAttempts(tx, PASSWORD_SCOPES, subject);
  return passwords + (await clearAttempts(tx, ['step_up'], begunAccountSubject(keys, subject)));
}
