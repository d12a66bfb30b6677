import type { Db, Tx } from '../../db';
import type { Deps } from '../../deps';
import type { RiskPolicy } from '../riskPolicy';
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

/** What somebody has enrolled, and what of it counts under a policy. */
export interface Standing {
  enrolled: StepUpMethod[];
  counting: StepUpMethod[];
  /** Whether a factor that counts can be enrolled here. */
  canEnrol: boolean;
}

/** How a staff member's factors stand to their tenant's policy. */
export async function readStanding(
  deps: MethodDeps,
  db: Db | Tx,
  staff: Staff,
  policy: { methods: readonly string[] },
): Promise<Standing> {
  const enrolled = await listEnrolled(deps, db, staff);
  const counting = enrolled.filter((method) => policy.methods.includes(method));
  return { enrolled, counting, canEnrol: listEnrollable(deps, policy).length > 0 };
}

/** The factors that count under a policy and can be enrolled on this installation. */
export function listEnrollable(
  { config }: Pick<MethodDeps, 'config'>,
  policy: { methods: readonly string[] },
): StepUpMethod[] {
  const here: StepUpMethod[] = config.webauthn === null ? ['totp'] : ['passkey', 'totp'];
  return here.filter((method) => policy.methods.includes(method));
}

/** The tenant's policy; if it cannot be read, the last one that this node has read. */
async function readPolicy(
  { riskPolicies }: Pick<Deps, 'riskPolicies'>,
  tenantId: string,
): Promise<RiskPolicy> {
  try {
    return (await riskPolicies.read(tenantId)).policy;
  } catch (error) {
    const kept = riskPolicies.peek(tenantId);
    if (!kept) throw error;
    return kept.value.policy;
  }
}

/**
 * The proofs that a staff member can give and their tenant allows. Mail is no second factor (NIST SP 800-63B-4 3.1.3.1):
 * it is offered to those alone who have nothing else, so that it never weakens what somebody has enrolled.
 *
 * `mustEnrol`: the proof is for enrolling a factor that counts, by somebody who has none that does. Then whatever they
 * have enrolled will do, else mail, because no other proof can be asked of them.
 */
export async function listAllowedMethods(
  deps: MethodDeps & Pick<Deps, 'riskPolicies'>,
  db: Db | Tx,
  staff: Staff & { mustEnrol?: boolean },
): Promise<StepUpMethod[]> {
  const policy = await readPolicy(deps, staff.tenantId);
  const allowed: readonly string[] = policy.methods;
  const enrolled = await listEnrolled(deps, db, staff);
  const fallback = PROOFS.find(({ method }) => method === FALLBACK);
  const mailed = enrolled.length === 0 && (await fallback?.isAvailable(deps, db, staff));
  const methods = mailed ? [FALLBACK] : enrolled;
  const counting = methods.filter((method) => allowed.includes(method));
  return staff.mustEnrol && counting.length === 0 ? methods : counting;
}

export type { Answer, FailureReason, MethodDeps, Proof, StepUpMethod } from './proof';
