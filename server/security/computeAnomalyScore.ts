import type { RiskFactsCache } from './risk/riskFacts';
import type { RiskPolicies } from './risk/policyCache';
import { lookForSignals, sumOf } from './risk/score';
import type { SeenSignal } from './risk/score';
import type { Attempt } from './risk/signals';

/** An attempt, with the staff member who makes it. */
export interface AnomalyInput extends Attempt {
  tenantId: string;
  staffId: string;
}

export interface AnomalyScore {
  /** From 0 to 100. */
  score: number;
  /** The codes of the signals that counted. */
  reasons: string[];
  /**
   * The findings of every signal, and the weight each added; a replacement scorer may leave this
   * out.
   */
  signals?: SeenSignal[];
}

/**
 * Scores a login or a refresh against the staff member's past logins. It may throw: the caller
 * ({@link assessRisk}) turns every fault into an answer that lets the login go on.
 * @returns the sum of the weights of the signals that counted, capped at 100, and their codes
 * @throws the driver's error if the history or the tenant's weights cannot be read
 */
export async function computeAnomalyScoreOptimized(
  deps: { riskFacts: Pick<RiskFactsCache, 'read'>; riskPolicies: Pick<RiskPolicies, 'read'> },
  input: AnomalyInput,
): Promise<AnomalyScore> {
  const [history, { policy }] = await Promise.all([
    deps.riskFacts.read(input.tenantId, input.staffId),
    deps.riskPolicies.read(input.tenantId),
  ]);
  const signals = lookForSignals(input, history, policy.weights);
  const counted = signals.filter(({ weight }) => weight > 0);
  return {
    score: sumOf(counted.map(({ weight }) => weight)),
    reasons: counted.map(({ code }) => code),
    signals,
  };
}
