import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import type { RiskOutcome } from '../db/schema';
import type { RiskAssessment } from '../security';

export interface DecidedRisk {
  at: 'login' | 'refresh';
  risk: Pick<RiskAssessment, 'score' | 'reasons' | 'decision' | 'skipped'>;
  outcome: RiskOutcome;
}

/** The names of these outcomes in the audit log. */
const DECISIONS = {
  challenged: 'step_up',
  blocked: 'block',
  passed: 'allowed_by_step_up',
  monitored: 'monitored',
} as const;

/**
 * Records the audit events of a scoring: that it was skipped, or that it found something. A proof
 * that the tenant demands whatever the score is not suspicious; its challenge and login have their
 * own events.
 */
export async function recordRisk(
  tx: Tx,
  ctx: RequestContext,
  who: { tenantId: string; staffId: string; sessionId?: string | null },
  { at, risk, outcome: became }: DecidedRisk,
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
  if (became !== 'allowed' && risk.decision !== 'allow') {
    const { score, reasons } = risk;
    const details = { at, score, reasons, decision: DECISIONS[became] };
    const stopped = became === 'challenged' || became === 'blocked';
    const outcome = stopped ? ('denied' as const) : ('success' as const);
    const event = { ...about, action: 'SUSPICIOUS_LOGIN_DETECTED' as const, details };
    await recordAudit(tx, ctx, { ...event, outcome });
  }
}
