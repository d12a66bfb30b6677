import type { RequestContext } from '../context';
import { afterHearingNothing } from '../db/heardTime';
import { databaseFault, isStatementTimeout } from '../db/pgErrors';
import type { Deps } from '../deps';
import { computeAnomalyScoreOptimized } from './computeAnomalyScore';
import type { AnomalyInput } from './computeAnomalyScore';
import { decideRisk } from './riskPolicy';
import type { RiskPolicy, VersionedPolicy } from './riskPolicy';
import { SCORE_CAP } from './score';
import type { SeenSignal } from './score';

export type SkipCause = 'error' | 'timeout' | 'breaker_open' | 'schema_missing_tables';

export interface RiskAssessment {
  /** 0 to 100. */
  score: number;
  reasons: string[];
  signals: SeenSignal[];
  /** What the tenant's policy says to the score. */
  decision: 'allow' | 'step_up' | 'block';
  /** The policy only watches: nothing is enforced. */
  monitor: boolean;
  /** Of the policy; 0 for the defaults, null where there was no scoring. */
  policyVersion: number | null;
  /** What the score was judged by; null if there was no scoring. */
  policy: RiskPolicy | null;
  /** Why there was no scoring; undefined where there was. */
  skipped?: SkipCause;
  /** Microseconds. */
  spentUs: number;
}

type RiskDeps = Pick<
  Deps,
  'config' | 'riskFacts' | 'riskPolicies' | 'riskBreaker' | 'schemaGuard' | 'logger' | 'metrics'
>;

class SilenceError extends Error {}

/**
 * The deadline itself is the database's. This is the bound for a connection on which nothing comes back at all: some
 * turns of the deadline, and never less than a second, since an answer takes several turns of a busy event loop.
 */
const silenceMs = (timeoutMs: number) => Math.max(1000, 4 * timeoutMs);

/** Leaves a promise behind after a silence; nobody hears its later result. */
async function unlessSilent<T>(work: Promise<T>, ms: number): Promise<T> {
  let stop = () => {};
  const silence = new Promise<never>((_resolve, reject) => {
    stop = afterHearingNothing(ms, () => reject(new SilenceError(`no answer within ${ms} ms`)));
  });
  try {
    return await Promise.race([work, silence]);
  } finally {
    stop();
  }
}

/** A scorer that answers nonsense has failed as surely as one that throws. */
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
 * Scores and decides, and cannot fail: advice must never break a login. If the database gives no answer within the
 * deadline, the result is 0 with `ANOMALY_CHECK_SKIPPED`, a warning in the log and a metric; the caller records the audit event
 * in its own transaction. A policy that cannot be read is no better than a score that cannot be had.
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
    // Inside the try: a scorer may also throw before it returns a promise.
    const scored = Promise.resolve(computeAnomalyScoreOptimized(deps, input));
    const work = Promise.all([scored, deps.riskPolicies.read(input.tenantId)]);
    const judged = judge(...(await unlessSilent(work, silenceMs(deps.config.anomalyTimeoutMs))));
    deps.riskBreaker.succeeded();
    return { ...judged, spentUs: spentUs() };
  } catch (error) {
    const late = error instanceof SilenceError || isStatementTimeout(error);
    // A fault of ours would fail as fast the next time: only a database in trouble is worth a pause.
    if (late || databaseFault(error)) deps.riskBreaker.failed();
    return skip(late ? 'timeout' : 'error', error);
  }
}
