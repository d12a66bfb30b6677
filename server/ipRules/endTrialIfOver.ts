import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import type { Kernel } from '../kernel';
import { takeBackTrial } from './trialStore';

/**
 * Takes the trial of a tenant back if it is over, and records that in the same transaction. Its
 * rules are out of force since the end of the trial, also before this.
 * @returns whether there was one
 */
export async function endTrialIfOver(
  { clock }: Pick<Kernel, 'clock'>,
  tx: Tx,
  ctx: RequestContext,
  tenantId: string,
): Promise<boolean> {
  const over = await takeBackTrial(tx, tenantId, clock.now());
  if (!over) return false;
  await recordAudit(tx, ctx, {
    action: 'IP_RULES_TRIAL_ENDED',
    outcome: 'success',
    tenantId,
    actor: 'system',
    subject: `tenant:${tenantId}`,
    details: {
      reason: 'expired',
      startedBy: over.startedBy,
      endedAt: over.endedAt.toISOString(),
    },
  });
  return true;
}
