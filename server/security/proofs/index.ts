import type { Db, Tx } from '../../db';
import type { Deps } from '../../deps';
import { emailProof } from './emailProof';
import { passkeyProof } from './passkeyProof';
import { recoveryProof } from './recoveryProof';
import { totpProof } from './totpProof';
import type { MethodDeps, Proof, StepUpMethod } from './proof';

/** Strongest first. */
export const PROOFS: readonly Proof[] = [passkeyProof, totpProof, recoveryProof, emailProof];

/** Where none of a person's own is enrolled. */
const FALLBACK: StepUpMethod = 'email';

type Staff = { tenantId: string; staffId: string };

/** The factors that a staff member has enrolled, whatever their tenant allows. */
export async function listEnrolled(
  deps: MethodDeps,
  db: Db | Tx,
  staff: Staff,
): Promise<StepUpMethod[]> {
  const methods: StepUpMethod[] = [];
  for (const proof of PROOFS) {
    if (proof.method === FALLBACK) continue;
    if (await proof.isAvailable(deps, db, staff)) methods.push(proof.method);
  }
  return methods;
}

/**
 * The proofs that a staff member can give and their tenant allows. Mail is no second factor (NIST SP 800-63B-4 3.1.3.1):
 * it is offered to those alone who have nothing else, so that it never weakens what somebody has enrolled.
 */
export async function listAllowedMethods(
  deps: MethodDeps & Pick<Deps, 'riskPolicies'>,
  db: Db | Tx,
  staff: Staff,
): Promise<StepUpMethod[]> {
  const { policy } = await deps.riskPolicies.read(staff.tenantId);
  const allowed: readonly string[] = policy.methods;
  const enrolled = await listEnrolled(deps, db, staff);
  const fallback = PROOFS.find(({ method }) => method === FALLBACK);
  const mailed = enrolled.length === 0 && (await fallback?.isAvailable(deps, db, staff));
  const methods = mailed ? [FALLBACK] : enrolled;
  return methods.filter((method) => allowed.includes(method));
}

export type { Answer, FailureReason, MethodDeps, Proof, StepUpMethod } from './proof';
