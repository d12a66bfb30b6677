import type { Tx } from '../../db';
import { AppError } from '../../errors';
import { listEnrollable } from '../stepUp/proofs';
import type { MethodDeps } from '../stepUp/proofs';
import type { StepUpMethod } from '../stepUp/stepUpMethods';
import { lockPolicyHolders } from './policyHoldersStore';
import type { PolicyHolder } from './policyHoldersStore';
import type { RiskPolicy } from './riskPolicy';

type Demands = Pick<RiskPolicy, 'methods' | 'secondFactor'>;

/**
 * Returns whether a policy leaves a person without a usable proof. A person who has none under any
 * policy (no factor, and no mail here) loses nothing by this one.
 * @param enrolled the factors that they have enrolled and that work on this installation
 */
export function leavesWithoutProof(
  deps: MethodDeps,
  policy: Demands,
  enrolled: readonly StepUpMethod[],
): boolean {
  if (enrolled.some((method) => policy.methods.includes(method))) return false;
  const mailed = deps.mail.isAvailable();
  const hasFactor = enrolled.length > 0;
  if (policy.secondFactor === 'always') {
    // They can only sign in again by enrolling a factor that counts, after a proof with what they
    // have.
    const canEnrol = listEnrollable(deps, policy).length > 0 && (hasFactor || mailed);
    if (!canEnrol) return true;
  }
  return hasFactor || (mailed && !policy.methods.includes('email'));
}

/**
 * Checks that a policy requires nothing that this installation does not have.
 * @throws AppError METHOD_UNAVAILABLE
 */
export function assertMethodsSetUp(deps: MethodDeps, policy: Demands): void {
  const { config, mail } = deps;
  const here: Record<StepUpMethod, boolean> = {
    passkey: config.webauthn !== null,
    totp: true,
    recovery_code: true,
    email: mail.isAvailable(),
  };
  if (!policy.methods.some((method) => here[method])) {
    const detail = 'None of these methods is set up on this installation. Allow another one.';
    throw new AppError('METHOD_UNAVAILABLE', { detail });
  }
  if (policy.secondFactor === 'always' && listEnrollable(deps, policy).length === 0) {
    const detail =
      'The policy requires a factor that people cannot enrol on this installation. Allow totp, or passkey if passkeys are set up.';
    throw new AppError('METHOD_UNAVAILABLE', { detail });
  }
}

function enrolledOf(deps: MethodDeps, holder: PolicyHolder): StepUpMethod[] {
  const has: Record<StepUpMethod, boolean> = {
    passkey: holder.passkey && deps.config.webauthn !== null,
    totp: holder.totp,
    recovery_code: holder.codes,
    email: false,
  };
  return (['passkey', 'totp', 'recovery_code'] as const).filter((method) => has[method]);
}

/**
 * Finds the people who may change the security settings and would have no usable proof under a
 * policy, including its author. Their rows stay locked until the transaction ends, so that the
 * result stays true while the policy is written.
 */
export async function findLockedOut(
  deps: MethodDeps,
  tx: Tx,
  tenantId: string,
  policy: Demands,
): Promise<{ staffId: string; email: string }[]> {
  const holders = await lockPolicyHolders(tx, tenantId);
  return holders
    .filter((holder) => leavesWithoutProof(deps, policy, enrolledOf(deps, holder)))
    .map(({ staffId, email }) => ({ staffId, email }));
}
