import { recordAudit } from '../audit';
import { invalidateSessions, requireProofAtLogin } from '../auth';
import { isOfOperators } from '../context';
import type { RequestContext } from '../context';
import { queueNotice } from '../mail';
import { listAllowedMethods, removeAllFactors } from '../security';
import type { RemovedFactors } from '../security';
import type { TenantDeps } from './deps';
import { actOnMember, provenanceOf } from './staffAct';
import type { StaffAct, StaffIds } from './staffAct';

export interface FactorReset {
  removed: RemovedFactors;
  /** The proofs that the next login can be asked for. Without one, the tenant's policy decides. */
  proofs: string[];
}

/**
 * Removes every second factor of one membership, for a person who has lost them. Their sessions
 * end, and a mail informs them. If they can prove the next login by mail, it needs that proof.
 * @param reason for the audit log
 * @throws what {@link actOnMember} throws
 */
export async function resetFactors(
  deps: TenantDeps,
  ctx: RequestContext,
  who: StaffIds,
  how: StaffAct,
  reason: string,
): Promise<FactorReset> {
  const { tenantId, staffId } = who;
  const rule = { needs: 'TENANT_STAFF_MANAGE', onSelf: false } as const;
  const reset = await actOnMember(deps, ctx, who, how, rule, async ({ tx, mode }) => {
    await recordAudit(tx, ctx, {
      action: 'FACTORS_RESET',
      outcome: 'success',
      tenantId,
      subject: `staff:${staffId}`,
      details: { ...provenanceOf(deps, how), reason },
    });
    const removed = await removeAllFactors(tx, ctx, who, how.via);
    const ended = { staffId, reason: 'force_logout' as const, now: deps.clock.now() };
    await invalidateSessions(tx, ctx, mode, tenantId, ended);
    const proofs = await listAllowedMethods(deps, tx, who);
    if (proofs.length > 0) await requireProofAtLogin(tx, tenantId, staffId);
    const by = isOfOperators(ctx.actor) ? ('operator' as const) : ('administrator' as const);
    await queueNotice(deps, tx, ctx, who, { kind: 'factors_reset', by });
    return { removed, proofs };
  });
  deps.mail.wake();
  deps.riskFacts.forget(tenantId, staffId);
  return reset;
}
