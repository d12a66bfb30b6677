import type { RequestContext } from '../../context';
import type { RiskOutcome } from '../../db/schema';
import type { SecurityDeps } from '../deps';
import type { RiskAssessment } from './assessRisk';

/** A login or refresh that was decided, and its owner. */
export interface Decided {
  at: 'login' | 'refresh';
  tenantId: string;
  staffId: string;
  sessionId: string | null;
  risk: RiskAssessment;
  outcome: RiskOutcome;
}

/**
 * Records a decision with everything that explains it. A decision that stops or challenges somebody
 * is written before the answer is sent; the many others are written together in the background. It
 * never throws.
 */
export async function noteDecision(
  deps: Pick<SecurityDeps, 'clock' | 'random' | 'riskDecisions'>,
  ctx: RequestContext,
  { risk, ...decided }: Decided,
): Promise<void> {
  const row = {
    id: deps.random.id(),
    tenant_id: decided.tenantId,
    staff_id: decided.staffId,
    session_id: decided.sessionId,
    at: decided.at,
    occurred_at: deps.clock.now(),
    score: risk.score,
    reasons: risk.reasons,
    seen: risk.signals.map(({ code }) => code).join(','),
    signals: risk.signals,
    decision: risk.decision,
    outcome: decided.outcome,
    policy_version: risk.policyVersion,
    degraded: risk.skipped ?? null,
    spent_us: risk.spentUs,
    ip: ctx.ip,
    country: ctx.country,
    correlation_id: ctx.correlationId,
  };
  if (decided.outcome === 'allowed') deps.riskDecisions.note(row);
  else await deps.riskDecisions.keep(row);
}
