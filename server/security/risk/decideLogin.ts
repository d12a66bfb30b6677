import type { SecurityDeps } from '../deps';
import { readStanding } from '../stepUp/proofs';
import type { RiskAssessment } from './assessRisk';
import { findPolicyInForce } from './policyInForce';
import type { RiskPolicy } from './riskPolicy';

type DecideDeps = Pick<
  SecurityDeps,
  'db' | 'config' | 'mail' | 'riskPolicies' | 'schemaGuard' | 'logger'
>;

/** A reason to ask for a proof that does not come from the score. */
export type Demand = 'SECOND_FACTOR_REQUIRED' | 'ANOMALY_CHECK_SKIPPED' | 'PROOF_REQUIRED';

const DEMANDS: readonly string[] = [
  'SECOND_FACTOR_REQUIRED',
  'ANOMALY_CHECK_SKIPPED',
  'PROOF_REQUIRED',
] satisfies Demand[];

/**
 * Returns whether a proof was demanded although the score did not ask for one. Such a login is not
 * suspicious.
 */
export const wasDemanded = (reasons: readonly string[]): boolean =>
  reasons.some((reason) => DEMANDS.includes(reason));

/** The decision, and the policy behind it. */
export type LoginDecision = { policy: RiskPolicy } & (
  | { kind: 'allow' }
  | { kind: 'block' }
  /** The reasons of the score, plus the demands if the score alone did not ask for a proof. */
  | { kind: 'prove'; reasons: string[]; mustEnrol: boolean }
);

/** The proof that a refresh has to show. */
export type RefreshDecision = LoginDecision['kind'];

type Staff = { tenantId: string; staffId: string };

/**
 * Returns whether `user_sessions` is missing. Every check is skipped then, and logins and refreshes
 * must still work, so a policy that demands a proof for skipped checks is suspended.
 */
async function lacksSessionTable({
  schemaGuard,
}: Pick<SecurityDeps, 'schemaGuard'>): Promise<boolean> {
  if (schemaGuard.missing().includes('user_sessions')) return true;
  return (await schemaGuard.checkTables()).missing.includes('user_sessions');
}

const countsSkipped = async (
  deps: DecideDeps,
  risk: Pick<RiskAssessment, 'skipped'>,
  policy: RiskPolicy,
): Promise<boolean> =>
  risk.skipped !== undefined && policy.whenSkipped === 'prove' && !(await lacksSessionTable(deps));

/**
 * Decides what a login has to show before anything is created for it. A policy in monitor mode
 * affects only the score: a factor that the tenant demands is still demanded.
 * @param staff `factorShown` fulfils that demand alone: a score, a skipped check and a proof that is
 * due still need a proof here
 */
export async function decideLogin(
  deps: DecideDeps,
  staff: Staff & { mustProveLogin: boolean; factorShown: boolean },
  risk: RiskAssessment,
): Promise<LoginDecision> {
  const policy = await findPolicyInForce(deps, staff.tenantId, risk);
  if (risk.decision === 'block' && !risk.monitor) return { kind: 'block', policy };
  const suspicious = risk.decision !== 'allow' && !risk.monitor;
  const skipCounts = await countsSkipped(deps, risk, policy);
  // Someone else had a session of this person, so a proof is due even from people without a factor.
  const due = staff.mustProveLogin;
  const demanded = policy.secondFactor !== 'by_risk' && !staff.factorShown;
  if (!suspicious && !skipCounts && !due && !demanded) {
    return { kind: 'allow', policy };
  }

  const { enrolled, counting, canEnrol } = await readStanding(deps, deps.db, staff, policy);
  const hasFactor = enrolled.length > 0;
  const always = policy.secondFactor === 'always';
  const demands: Demand[] = due ? ['PROOF_REQUIRED'] : [];
  if (skipCounts && hasFactor) demands.push('ANOMALY_CHECK_SKIPPED');
  if (demanded && (always || hasFactor)) {
    demands.push('SECOND_FACTOR_REQUIRED');
  }
  if (!suspicious && demands.length === 0) return { kind: 'allow', policy };
  return {
    kind: 'prove',
    policy,
    reasons: [...new Set([...risk.reasons, ...(suspicious ? [] : demands)])],
    // A person whose only factors no longer count may enrol one that does, and nothing else.
    mustEnrol: counting.length === 0 && canEnrol && (always || hasFactor),
  };
}

/**
 * Decides whether a refresh is allowed, needs a proof, or ends the sessions. Factors that a tenant
 * demands at login are not demanded again here: only the score counts, and a skipped check if the
 * tenant's policy says so.
 */
export async function decideRefresh(
  deps: DecideDeps,
  staff: Staff & { sessionId: string | null },
  risk: RiskAssessment,
): Promise<RefreshDecision> {
  if (risk.decision !== 'allow') {
    if (risk.monitor) return 'allow';
    return risk.decision === 'block' ? 'block' : 'prove';
  }
  // A proof is stored on the session, so it is pointless without one.
  if (risk.skipped === undefined || staff.sessionId === null) return 'allow';
  const policy = await findPolicyInForce(deps, staff.tenantId, risk);
  if (!(await countsSkipped(deps, risk, policy))) return 'allow';
  const { enrolled } = await readStanding(deps, deps.db, staff, policy);
  return enrolled.length > 0 ? 'prove' : 'allow';
}
