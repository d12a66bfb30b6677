import type { Principal, RequestContext } from '../../context';
import type { SecurityDeps } from '../deps';
import { AppError } from '../../errors';
import { MAX_ATTEMPTS } from './challengeStore';
import type { Challenge } from './challengeStore';
import { findAnswerable } from './findAnswerable';
import type { WhichChallenge } from './findAnswerable';
import { PROOFS, listAllowedMethods } from './proofs';
import type { StepUpMethod } from './stepUpMethods';
import { inTenant } from '../../db/tenantScope';
import { assertAddress } from '../../ipRules';

/** The methods that begin with a request of their own; the others are answered directly. */
export const STARTED_METHODS = ['passkey', 'email'] as const satisfies readonly StepUpMethod[];

export interface StartInput extends WhichChallenge {
  method: StepUpMethod;
}

type StartDeps = Pick<
  SecurityDeps,
  | 'db'
  | 'keys'
  | 'clock'
  | 'random'
  | 'logger'
  | 'config'
  | 'mail'
  | 'riskPolicies'
  | 'ipRules'
  | 'ipRefusals'
>;

function assertOpen(challenge: Challenge, now: Date): void {
  if (challenge.verifiedAt !== null || challenge.revokedAt !== null || challenge.expiresAt <= now) {
    throw new AppError('CHALLENGE_NOT_FOUND');
  }
  if (challenge.attempts >= MAX_ATTEMPTS) throw new AppError('CHALLENGE_EXHAUSTED');
}

/**
 * Starts a proof that needs preparation: it chooses the value that a passkey has to sign, or mails
 * a code. A method that the challenge did not offer gets the same error whether the person lacks it
 * or their tenant forbids it, so the holder of a login's challenge learns nothing beyond its 428.
 * @param principal the signed-in caller, or null at a login
 * @returns the method's data for the client, a JSON object
 * @throws AppError CHALLENGE_NOT_FOUND, CHALLENGE_EXHAUSTED, METHOD_UNAVAILABLE; INVALID_INPUT for
 * a method that needs no start; UNAUTHENTICATED or CHALLENGE_ID_REQUIRED if the challenge cannot be
 * determined
 */
export async function startStepUp(
  deps: StartDeps,
  ctx: RequestContext,
  principal: Principal | null,
  input: StartInput,
): Promise<Readonly<Record<string, unknown>>> {
  const challenge = await findAnswerable(deps, principal, input);
  await assertAddress(deps, ctx, challenge);
  assertOpen(challenge, deps.clock.now());
  const proof = PROOFS.find(({ method }) => method === input.method);
  const start = proof?.start?.bind(proof);
  if (!start) {
    throw new AppError('INVALID_INPUT', {
      detail: `The method ${input.method} needs no start. Send its code to /api/security/step-up/verify.`,
    });
  }
  const methods = await listAllowedMethods(deps, deps.db, challenge);
  if (!methods.includes(input.method)) throw new AppError('METHOD_UNAVAILABLE');
  const started = await inTenant(deps.db, challenge.tenantId, (tx) =>
    start(deps, ctx, tx, challenge),
  );
  deps.mail.wake();
  return started;
}
