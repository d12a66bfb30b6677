import type { RequestContext } from '../context';
import type { Deps } from '../deps';
import { computeAnomalyScoreOptimized } from './computeAnomalyScore';
import type { AnomalyInput } from './computeAnomalyScore';
import { HIGH_RISK_FROM, SCORE_CAP, STEP_UP_FROM } from './riskTable';

export type SkipCause = 'error' | 'timeout' | 'schema_missing_tables';

export interface RiskAssessment {
  score: number;
  reasons: string[];
  /** Why there was no scoring; undefined where there was. */
  skipped?: SkipCause;
}

export type RiskDecision = 'allow' | 'step_up' | 'block';

type RiskDeps = Pick<Deps, 'config' | 'riskFacts' | 'schemaGuard' | 'logger' | 'metrics'>;

class DeadlineError extends Error {}

/** Leaves a promise behind after `ms`; what it later says is heard by nobody. */
async function withDeadline<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new DeadlineError(`no score within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/** A scorer that answers nonsense has failed as surely as one that throws. */
function readScore(answer: unknown): RiskAssessment {
  const { score, reasons } = (answer ?? {}) as { score?: unknown; reasons?: unknown };
  if (typeof score !== 'number' || !Number.isFinite(score)) {
    throw new TypeError('the scorer gave no score');
  }
  const names = Array.isArray(reasons) ? reasons.map(String) : [];
  return { score: Math.round(Math.min(SCORE_CAP, Math.max(0, score))), reasons: names };
}

/**
 * Scores, and cannot fail: advice must never break a login. Where there is no score within the deadline,
 * the answer is 0 with `ANOMALY_CHECK_SKIPPED`, a warning in the log and a metric; the caller records the
 * audit event in its own transaction.
 */
export async function assessRisk(
  deps: RiskDeps,
  ctx: RequestContext,
  input: AnomalyInput,
): Promise<RiskAssessment> {
  const skip = (skipped: SkipCause, err?: unknown): RiskAssessment => {
    deps.metrics.anomalyChecksSkipped.inc({ cause: skipped });
    deps.logger.warn(
      { err, cause: skipped, correlationId: ctx.correlationId },
      'ANOMALY_CHECK_SKIPPED',
    );
    return { score: 0, reasons: ['ANOMALY_CHECK_SKIPPED'], skipped };
  };
  if (!deps.schemaGuard.scoringEnabled()) return skip('schema_missing_tables');
  try {
    // Inside the try: a scorer may also throw before it returns a promise.
    const work = Promise.resolve(computeAnomalyScoreOptimized(deps, input));
    return readScore(await withDeadline(work, deps.config.anomalyTimeoutMs));
  } catch (error) {
    return skip(error instanceof DeadlineError ? 'timeout' : 'error', error);
  }
}

/**
 * What a score means: below 60 nothing, below 90 a step-up, from there what the tenant chose.
 * @param highRiskAction the tenant's answer to a score of 90 or more
 */
export function decideRisk(score: number, highRiskAction: 'block' | 'step_up'): RiskDecision {
  if (score >= HIGH_RISK_FROM) return highRiskAction;
  return score >= STEP_UP_FROM ? 'step_up' : 'allow';
}
