import { recordAudit } from '../../audit';
import type { RequestContext } from '../../context';
import type { Tx } from '../../db';
import type { RiskOutcome } from '../../db/schema';
import { queueNotice } from '../../mail';
import type { NoticeDeps } from '../../mail';
import type { SecurityDeps } from '../deps';
import type { Verdict } from './judge';

/** The names of these outcomes in the audit log. */
const DECISIONS = {
  challenged: 'step_up',
  blocked: 'block',
  passed: 'allowed_by_step_up',
  monitored: 'monitored',
} as const;

const aboutOf = ({ tenantId, staffId, sessionId }: Verdict) => ({
  tenantId,
  actor: staffId,
  subject: `staff:${staffId}`,
  sessionId,
});

/**
 * Records that somebody was stopped because of their score, and queues the notice for the owner of
 * the account.
 */
async function settleBlock(
  deps: NoticeDeps,
  tx: Tx,
  ctx: RequestContext,
  verdict: Verdict,
): Promise<void> {
  const { at, risk } = verdict;
  const details = { at, score: risk.score, reasons: risk.reasons };
  const about = { ...aboutOf(verdict), action: 'LOGIN_BLOCKED' as const, details };
  await recordAudit(tx, ctx, { ...about, outcome: 'denied' });
  const notice =
    at === 'login'
      ? ({ kind: 'login_blocked' } as const)
      : ({ kind: 'forced_logout', by: 'score' } as const);
  await queueNotice(deps, tx, ctx, verdict, notice);
}

/**
 * Settles a verdict in the transaction that carries it out: the audit events of a scoring that was
 * skipped or found something, and of a block, whose notice is queued too. A proof that the tenant
 * demands whatever the score is not suspicious; its challenge and login have their own events. Call
 * {@link conclude} after the commit.
 * @throws any error of the database, so that nothing happens without its record
 */
export async function settle(
  deps: NoticeDeps,
  tx: Tx,
  ctx: RequestContext,
  verdict: Verdict,
  became: RiskOutcome,
): Promise<void> {
  const { at, risk } = verdict;
  const about = aboutOf(verdict);
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
  if (became === 'blocked') await settleBlock(deps, tx, ctx, verdict);
}

/**
 * Concludes a verdict outside of its transaction: stores the decision with everything that explains
 * it. A decision that stops or challenges somebody is written before the answer is sent; the many
 * others are written together in the background. After a block, the mailer starts and the cached
 * history of the person is dropped. It never throws.
 */
export async function conclude(
  deps: Pick<SecurityDeps, 'clock' | 'random' | 'riskDecisions' | 'riskFacts' | 'mail'>,
  ctx: RequestContext,
  { at, tenantId, staffId, sessionId, risk }: Verdict,
  outcome: RiskOutcome,
): Promise<void> {
  if (outcome === 'blocked') {
    deps.mail.wake();
    deps.riskFacts.forget(tenantId, staffId);
  }
  const row = {
    id: deps.random.id(),
    tenant_id: tenantId,
    staff_id: staffId,
    session_id: sessionId,
    at,
    occurred_at: deps.clock.now(),
    score: risk.score,
    reasons: risk.reasons,
    seen: risk.signals.map(({ code }) => code).join(','),
    signals: risk.signals,
    decision: risk.decision,
    outcome,
    policy_version: risk.policyVersion,
    degraded: risk.skipped ?? null,
    spent_us: risk.spentUs,
    ip: ctx.ip,
    country: ctx.country,
    correlation_id: ctx.correlationId,
  };
  if (outcome === 'allowed') deps.riskDecisions.note(row);
  else await deps.riskDecisions.keep(row);
}
