import type { Deps } from '../deps';
import { findPolicyInForce, readStanding } from '../security';
import type { RiskAssessment, RiskPolicy } from '../security';

type DecideDeps = Pick<Deps, 'db' | 'config' | 'mail' | 'riskPolicies' | 'schemaGuard' | 'logger'>;

/** A reason to ask for a proof that is no finding of the score. */
export type Demand = 'SECOND_FACTOR_REQUIRED' | 'ANOMALY_CHECK_SKIPPED' | 'PROOF_REQUIRED';

const DEMANDS: readonly string[] = [
  'SECOND_FACTOR_REQUIRED',
  'ANOMALY_CHECK_SKIPPED',
  'PROOF_REQUIRED',
] satisfies Demand[];

/** Whether a proof was demanded although the score did not ask for one: such a login is not suspicious. */
export const wasDemanded = (reasons: readonly string[]): boolean =>
  reasons.some((reason) => DEMANDS.includes(reason));

/** The decision, and the policy that it goes by. */
export type LoginDecision = { policy: RiskPolicy } & (
  | { kind: 'allow' }
  | { kind: 'block' }
  /** `reasons`: of the score, and the demands if the score alone did not ask. */
  | { kind: 'prove'; reasons: string[]; mustEnrol: boolean }
);

type Staff = { tenantId: string; staffId: string };

/**
 * While `user_sessions` is gone every check is skipped, and logins and refreshes must go on: a policy that makes a
 * skipped check count does not hold then.
 */
async function lacksSessionTable({ schemaGuard }: Pick<Deps, 'schemaGuard'>): Promise<boolean> {
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
 * Says what a login has to show before anything is created for it. A policy that only watches concerns the score: a
 * factor that the tenant demands is demanded all the same.
 */
export async function decideLogin(
  deps: DecideDeps,
  staff: Staff & { mustProveLogin: boolean },
  risk: RiskAssessment,
): Promise<LoginDecision> {
  const policy = await findPolicyInForce(deps, staff.tenantId, risk);
  if (risk.decision === 'block' && !risk.monitor) return { kind: 'block', policy };
  const suspicious = risk.decision !== 'allow' && !risk.monitor;
  const skipCounts = await countsSkipped(deps, risk, policy);
  // A session of this person was somebody else's: this is asked of people without a factor too.
  const due = staff.mustProveLogin;
  if (!suspicious && !skipCounts && !due && policy.secondFactor === 'by_risk') {
    return { kind: 'allow', policy };
  }

  const { enrolled, counting, canEnrol } = await readStanding(deps, deps.db, staff, policy);
  const hasFactor = enrolled.length > 0;
  const always = policy.secondFactor === 'always';
  const demands: Demand[] = due ? ['PROOF_REQUIRED'] : [];
  if (skipCounts && hasFactor) demands.push('ANOMALY_CHECK_SKIPPED');
  if (always || (hasFactor && policy.secondFactor === 'if_enrolled')) {
    demands.push('SECOND_FACTOR_REQUIRED');
  }
  if (!suspicious && demands.length === 0) return { kind: 'allow', policy };
  return {
    kind: 'prove',
    policy,
    reasons: [...new Set([...risk.reasons, ...(suspicious ? [] : demands)])],
    // A factor that counts no more lets its owner enrol one that does, and nothing else.
    mustEnrol: counting.length === 0 && canEnrol && (always || hasFactor),
  };
}

/**
 * Says whether a refresh is let through, asked for a proof, or ends the sessions. Factors that a tenant demands at a
 * login are not asked for again here: only the score, and a skipped check if the tenant says so, matter.
 */
export async function decideRefresh(
  deps: DecideDeps,
  staff: Staff & { sessionId: string | null },
  risk: RiskAssessment,
): Promise<'allow' | 'step_up' | 'block'> {
  if (risk.decision !== 'allow') return risk.monitor ? 'allow' : risk.decision;
  // A proof is worth something in a session only.
  if (risk.skipped === undefined || staff.sessionId === null) return 'allow';
  const policy = await findPolicyInForce(deps, staff.tenantId, risk);
  if (!(await countsSkipped(deps, risk, policy))) return 'allow';
  const { enrolled } = await readStanding(deps, deps.db, staff, policy);
  return enrolled.length > 0 ? 'step_up' : 'allow';
}
