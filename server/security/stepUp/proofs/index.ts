import type { Db, Tx } from '../../../db';
import type { SecurityDeps } from '../../deps';
import type { RiskPolicy } from '../../risk/riskPolicy';
import { emailProof } from './emailProof';
import { passkeyProof } from './passkeyProof';
import { recoveryProof } from './recoveryProof';
import { totpProof } from './totpProof';
import type { StepUpMethod } from '../stepUpMethods';
import type { MethodDeps, Proof } from './proof';

/** Strongest first. */
export const PROOFS: readonly Proof[] = [passkeyProof, totpProof, recoveryProof, emailProof];

/** Used if a person has enrolled no factor. */
const FALLBACK: StepUpMethod = 'email';

type Staff = { tenantId: string; staffId: string };

/** Lists the factors that a staff member has enrolled, whatever their tenant allows. */
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

/** A person's enrolled factors, and those of them that count under a policy. */
export interface Standing {
  enrolled: StepUpMethod[];
  counting: StepUpMethod[];
  /** Whether a factor that counts can be enrolled here. */
  canEnrol: boolean;
}

/** Compares a staff member's factors with their tenant's policy. */
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

/** Lists the factors that count under a policy and can be enrolled on this installation. */
export function listEnrollable(
  { config }: Pick<MethodDeps, 'config'>,
  policy: { methods: readonly string[] },
): StepUpMethod[] {
  const here: StepUpMethod[] = config.webauthn === null ? ['totp'] : ['passkey', 'totp'];
  return here.filter((method) => policy.methods.includes(method));
}

/** Reads the tenant's policy; if that fails, returns the last one that this node has read. */
async function readPolicy(
  { riskPolicies }: Pick<SecurityDeps, 'riskPolicies'>,
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
 * Lists the proofs that a staff member can give and their tenant allows. Mail is not a second
 * factor (NIST SP 800-63B-4 3.1.3.1): it is only offered to people without any other, so that it
 * never weakens an enrolled factor.
 * With `mustEnrol` the proof is for enrolling a factor that counts, by a person who has none that
 * does. Then any enrolled factor is accepted, otherwise mail, because no other proof can be
 * demanded of them.
 */
export async function listAllowedMethods(
  deps: MethodDeps & Pick<SecurityDeps, 'riskPolicies'>,
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

export type { Answer, FailureReason, MethodDeps, Proof } from './proof';
