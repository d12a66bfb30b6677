import { recordAudit } from '../../audit';
import type { Principal, RequestContext } from '../../context';
import { assertRowId } from '../../db/ids';
import type { RiskVerdict } from '../../db/schema';
import { inTenant } from '../../db/tenantScope';
import type { SecurityDeps } from '../deps';
import { AppError } from '../../errors';
import { findDecision, setVerdict } from './riskDecisionStore';
import type { StoredDecision } from './riskDecisionStore';
import { showDecision } from './listRiskDecisions';
import type { ShownDecision } from './listRiskDecisions';

async function find(
  deps: Pick<SecurityDeps, 'db' | 'riskDecisions'>,
  tenantId: string,
  id: string,
): Promise<StoredDecision> {
  assertRowId(id);
  await deps.riskDecisions.flush();
  const decision = await findDecision(deps.db, tenantId, id);
  if (!decision) throw new AppError('NOT_FOUND');
  return decision;
}

/**
 * Returns one decision of the caller's tenant.
 * @throws AppError NOT_FOUND, also for a decision of another tenant
 */
export async function showRiskDecision(
  deps: Pick<SecurityDeps, 'db' | 'riskDecisions'>,
  { tenantId }: Principal,
  id: string,
): Promise<ShownDecision> {
  return showDecision(await find(deps, tenantId, id));
}

/**
 * Stores people's verdict on a decision: it was the person, or it was not. It is kept for good. A
 * later verdict replaces it, and the audit log keeps both.
 * @throws AppError NOT_FOUND, also for a decision of another tenant
 */
export async function giveVerdict(
  deps: Pick<SecurityDeps, 'db' | 'clock' | 'riskDecisions'>,
  ctx: RequestContext,
  { tenantId, staffId }: Principal,
  given: { id: string; verdict: RiskVerdict; note: string | null },
): Promise<ShownDecision> {
  const { id } = await find(deps, tenantId, given.id);
  await inTenant(deps.db, tenantId, async (tx) => {
    const before = await findDecision(tx, tenantId, id, true);
    if (!before) throw new AppError('NOT_FOUND');
    const { verdict, note } = given;
    await setVerdict(tx, tenantId, id, { verdict, note, staffId, now: deps.clock.now() });
    await recordAudit(tx, ctx, {
      action: 'RISK_VERDICT_GIVEN',
      outcome: 'success',
      subject: `risk-decision:${id}`,
      details: {
        staffId: before.staffId,
        score: before.score,
        verdict,
        note,
        before: before.verdict,
      },
    });
  });
  return showDecision(await find(deps, tenantId, id));
}
