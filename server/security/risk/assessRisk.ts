import type { RequestContext } from '../../context';
import { startReadTimeout } from '../../db/readTimeout';
import { databaseFault, isStatementTimeout } from '../../db/pgErrors';
import { SECOND_MS } from '../../durations';
import type { SecurityDeps } from '../deps';
import { computeAnomalyScoreOptimized } from '../computeAnomalyScore';
import type { AnomalyInput } from '../computeAnomalyScore';
import { decideRisk } from './riskPolicy';
import type { RiskPolicy, VersionedPolicy } from './riskPolicy';
import { SCORE_CAP } from './score';
import type { SeenSignal } from './score';

export type SkipCause = 'error' | 'timeout' | 'breaker_open' | 'schema_missing_tables';

export interface RiskAssessment {
  /** From 0 to 100. */
  score: number;
  reasons: string[];
  signals: SeenSignal[];
  /** The decision of the tenant's policy for this score. */
  decision: 'allow' | 'step_up' | 'block';
  /** The policy is in monitor mode: nothing is enforced. */
  monitor: boolean;
  /** The version of the policy; 0 for the defaults, null if there was no scoring. */
  policyVersion: number | null;
  /** The policy that judged the score; null if there was no scoring. */
  policy: RiskPolicy | null;
  /** Why there was no scoring; undefined if there was. */
  skipped?: SkipCause;
  /** In microseconds. */
  spentUs: number;
}

type RiskDeps = Pick<
  SecurityDeps,
  'config' | 'riskFacts' | 'riskPolicies' | 'riskBreaker' | 'schemaGuard' | 'logger' | 'metrics'
>;

class SilenceError extends Error {}

/**
 * The database enforces the deadline itself. This limit is for a connection on which nothing comes
 * back at all: four times the deadline, and at least a second, because an answer takes several
 * turns of a busy event loop.
 */
const silenceMs = (timeoutMs: number) => Math.max(SECOND_MS, 4 * timeoutMs);

/** Rejects if the work gives no answer for `ms` milliseconds; a later result is ignored. */
async function unlessSilent<T>(work: Promise<T>, ms: number): Promise<T> {
  let stop = () => {};
  const silence = new Promise<never>((_resolve, reject) => {
    stop = startReadTimeout(ms, () => reject(new SilenceError(`no answer within ${ms} ms`)));
  });
  try {
    return await Promise.race([work, silence]);
  } finally {
    stop();
  }
}

/** Validates the scorer's answer. A malformed answer is a failure, like an exception. */
function readScore(answer: unknown): Pick<RiskAssessment, 'score' | 'reasons' | 'signals'> {
  const { score, reasons, signals } = (answer ?? {}) as Record<string, unknown>;
  if (typeof score !== 'number' || !Number.isFinite(score)) {
    throw new TypeError('the scorer gave no score');
  }
  return {
    score: Math.round(Math.min(SCORE_CAP, Math.max(0, score))),
    reasons: Array.isArray(reasons) ? reasons.map(String) : [],
    signals: Array.isArray(signals) ? (signals as SeenSignal[]) : [],
  };
}

function judge(answer: unknown, { version, policy }: VersionedPolicy) {
  const scored = readScore(answer);
  const decision = decideRisk(scored.score, policy);
  return { ...scored, decision, monitor: policy.monitor, policyVersion: version, policy };
}

/**
 * Scores and decides. It never throws, because a fault in scoring must not break a login. If the
 * database gives no answer within the deadline, the score is 0 with the reason
 * `ANOMALY_CHECK_SKIPPED`, a warning is logged and a metric is counted; the caller records the
 * audit event in its own transaction. A policy that cannot be read is treated like a failed score.
 */
export async function assessRisk(
  deps: RiskDeps,
  ctx: RequestContext,
  input: AnomalyInput,
): Promise<RiskAssessment> {
  const begun = performance.now();
  const spentUs = () => Math.round((performance.now() - begun) * 1000);
  const skip = (skipped: SkipCause, err?: unknown): RiskAssessment => {
    const cause = { cause: skipped };
    deps.metrics.anomalyChecksSkipped.inc(cause);
    deps.logger.warn({ err, ...cause, correlationId: ctx.correlationId }, 'ANOMALY_CHECK_SKIPPED');
    const nothing = { score: 0, reasons: ['ANOMALY_CHECK_SKIPPED'], signals: [] };
    const unread = { monitor: false, policyVersion: null, policy: null };
    const allowed = { decision: 'allow' as const, ...unread };
    return { ...nothing, ...allowed, skipped, spentUs: spentUs() };
  };
  if (!deps.schemaGuard.scoringEnabled()) return skip('schema_missing_tables');
  if (!deps.riskBreaker.admit()) return skip('breaker_open');
  try {
    // Inside the try, because a scorer may also throw before it returns a promise.
    const scored = Promise.resolve(computeAnomalyScoreOptimized(deps, input));
    const work = Promise.all([scored, deps.riskPolicies.read(input.tenantId)]);
    const judged = judge(...(await unlessSilent(work, silenceMs(deps.config.anomalyTimeoutMs))));
    deps.riskBreaker.succeeded();
    return { ...judged, spentUs: spentUs() };
  } catch (error) {
    const late = error instanceof SilenceError || isStatementTimeout(error);
    // A bug in our code would fail just as fast the next time. Only a database fault is worth a
    // pause.
    if (late || databaseFault(error)) deps.riskBreaker.failed();
    return skip(late ? 'timeout' : 'error', error);
  }
}
