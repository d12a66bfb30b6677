import type { Principal, RequestContext } from '../context';
import type { Deps } from '../deps';
import { AppError } from '../errors';
import { MAX_ATTEMPTS } from './challengeStore';
import type { Challenge } from './challengeStore';
import { findAnswerable } from './findAnswerable';
import type { WhichChallenge } from './findAnswerable';
import { PROOFS, listAllowedMethods } from './proofs';
import type { StepUpMethod } from './proofs';

/** The methods that begin with a request of their own; the others are answered right away. */
export const STARTED_METHODS = ['passkey', 'email'] as const satisfies readonly StepUpMethod[];

export interface StartInput extends WhichChallenge {
  method: StepUpMethod;
}

type StartDeps = Pick<
  Deps,
  'db' | 'keys' | 'clock' | 'random' | 'logger' | 'config' | 'mail' | 'riskPolicies'
>;

function assertOpen(challenge: Challenge, now: Date): void {
  if (challenge.verifiedAt !== null || challenge.revokedAt !== null || challenge.expiresAt <= now) {
    throw new AppError('CHALLENGE_NOT_FOUND');
  }
  if (challenge.attempts >= MAX_ATTEMPTS) throw new AppError('CHALLENGE_EXHAUSTED');
}

/**
 * Begins a proof that cannot be given unasked: what a passkey has to sign is chosen, or a code is mailed. A method that
 * the challenge did not offer is refused alike whether the person lacks it or their tenant forbids it, so that the
 * holder of a login's challenge learns nothing that its 428 did not say.
 * @param principal who is signed in, or null at a login
 * @returns what the method has to tell the client, a JSON object
 * @throws AppError CHALLENGE_NOT_FOUND, CHALLENGE_EXHAUSTED, METHOD_UNAVAILABLE; INVALID_INPUT for a method that needs
 *   no start; UNAUTHENTICATED or CHALLENGE_ID_REQUIRED if nothing says which challenge is meant
 */
export async function startStepUp(
  deps: StartDeps,
  ctx: RequestContext,
  principal: Principal | null,
  input: StartInput,
): Promise<Readonly<Record<string, unknown>>> {
  const challenge = await findAnswerable(deps, principal, input);
  assertOpen(challenge, deps.clock.now());
  const proof = PROOFS.find(({ method }) => method === input.method);
  const start = proof?.start?.bind(proof);
  if (!start) {
    throw new AppError('INVALID_INPUT', { detail: `The method ${input.method} is not started.` });
  }
  const methods = await listAllowedMethods(deps, deps.db, challenge);
  if (!methods.includes(input.method)) throw new AppError('METHOD_UNAVAILABLE');
  const told = await deps.db.transaction((tx) => start(deps, ctx, tx, challenge));
  deps.mail.wake();
  return told;
}
