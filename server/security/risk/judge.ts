import type { RequestContext } from '../../context';
import type { AnomalyInput } from '../computeAnomalyScore';
import type { SecurityDeps } from '../deps';
import type { Challenge } from '../stepUp/challengeStore';
import { assessRisk } from './assessRisk';
import type { RiskAssessment } from './assessRisk';
import { decideLogin, decideRefresh, wasDemanded } from './decideLogin';
import type { LoginDecision, RefreshDecision } from './decideLogin';
import { describeAttempt } from './describeAttempt';

type JudgeDeps = Pick<
  SecurityDeps,
  | 'db'
  | 'clock'
  | 'config'
  | 'geo'
  | 'ipLists'
  | 'logger'
  | 'mail'
  | 'metrics'
  | 'riskBreaker'
  | 'riskFacts'
  | 'riskPolicies'
  | 'schemaGuard'
>;

/** The judgement of one login or refresh; `settle` and `conclude` record what came of it. */
export interface Verdict {
  at: 'login' | 'refresh';
  tenantId: string;
  staffId: string;
  /** Null for a login, and for a refresh without a session. */
  sessionId: string | null;
  /** The assessment. Its reasons are all reasons to ask for a proof, not only those of the score. */
  risk: RiskAssessment;
}

/** The proof that a login has to show, and the policy behind it. */
export type LoginVerdict = Verdict & LoginDecision;

/** The proof that a refresh has to show, and the attempt that was scored. */
export interface RefreshVerdict extends Verdict {
  kind: RefreshDecision;
  attempt: AnomalyInput;
}

type Known = Pick<AnomalyInput, 'tenantId' | 'staffId' | 'deviceHashes'>;

/** The facts about a login that the scorer and the decision need. */
export type LoginAttempt = Known &
  Pick<AnomalyInput, 'recentFailures' | 'accountsTried'> & {
    mustProveLogin: boolean;
    /** The person has shown a second factor to a provider whose word the tenant takes for it. */
    factorShown: boolean;
  };

/**
 * Scores a login and decides what it has to show. A fault in scoring does not break the login; see
 * {@link assessRisk}.
 */
export async function judgeLogin(
  deps: JudgeDeps,
  ctx: RequestContext,
  { mustProveLogin, factorShown, ...known }: LoginAttempt,
): Promise<LoginVerdict> {
  const { tenantId, staffId } = known;
  const scored = await assessRisk(deps, ctx, describeAttempt(deps, ctx, { at: 'login', ...known }));
  const decision = await decideLogin(
    deps,
    { tenantId, staffId, mustProveLogin, factorShown },
    scored,
  );
  // The client and the audit log get every reason to ask for a proof, not only those of the score.
  const risk = decision.kind === 'prove' ? { ...scored, reasons: decision.reasons } : scored;
  return { at: 'login', tenantId, staffId, sessionId: null, risk, ...decision };
}

/** Scores a refresh and decides what it has to show; a fault in scoring does not break it. */
export async function judgeRefresh(
  deps: JudgeDeps,
  ctx: RequestContext,
  known: Known & Pick<AnomalyInput, 'session'>,
): Promise<RefreshVerdict> {
  const { tenantId, staffId } = known;
  const sessionId = known.session?.id ?? null;
  const attempt = describeAttempt(deps, ctx, { at: 'refresh', ...known });
  const risk = await assessRisk(deps, ctx, attempt);
  const kind = await decideRefresh(deps, { tenantId, staffId, sessionId }, risk);
  return { at: 'refresh', tenantId, staffId, sessionId, risk, kind, attempt };
}

/**
 * Returns the verdict for a login that has given the proof of its challenge. Nothing is scored
 * here: the decision that asked for the proof already holds the signals.
 */
export function recallVerdict(
  challenge: Pick<Challenge, 'tenantId' | 'staffId' | 'score' | 'reasons'>,
): Verdict {
  const { tenantId, staffId, reasons } = challenge;
  // The tenant demanded this proof whatever the score, so it is not a finding of the scorer.
  const decision = wasDemanded(reasons) ? ('allow' as const) : ('step_up' as const);
  const scored = { score: challenge.score ?? 0, reasons, decision };
  const unscored = { signals: [], monitor: false, policyVersion: null, policy: null, spentUs: 0 };
  const risk = { ...scored, ...unscored };
  return { at: 'login', tenantId, staffId, sessionId: null, risk };
}
