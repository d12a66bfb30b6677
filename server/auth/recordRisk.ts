import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import { STEP_UP_FROM } from '../security';
import type { RiskAssessment } from '../security';

export interface DecidedRisk {
  at: 'login' | 'refresh';
  risk: RiskAssessment;
  decision: 'allow' | 'step_up' | 'block' | 'allowed_by_step_up';
}

/** The events that a scoring leaves: that it was skipped, or that it found something. */
export async function recordRisk(
  tx: Tx,
  ctx: RequestContext,
  who: { tenantId: string; staffId: string; sessionId?: string | null },
  { at, risk, decision }: DecidedRisk,
): Promise<void> {
  const about = {
    tenantId: who.tenantId,
    actor: who.staffId,
    subject: `staff:${who.staffId}`,
    sessionId: who.sessionId ?? null,
  };
  if (risk.skipped) {
    const details = { at, cause: risk.skipped };
    const event = { ...about, action: 'ANOMALY_CHECK_SKIPPED' as const, details };
    await recordAudit(tx, ctx, { ...event, outcome: 'failure' });
  }
  if (risk.score >= STEP_UP_FROM && decision !== 'allow') {
    const details = { at, score: risk.score, reasons: risk.reasons, decision };
    const outcome = decision === 'allowed_by_step_up' ? ('success' as const) : ('denied' as const);
    const event = { ...about, action: 'SUSPICIOUS_LOGIN_DETECTED' as const, details };
    await recordAudit(tx, ctx, { ...event, outcome });
  }
}
