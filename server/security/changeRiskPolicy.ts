import { recordAudit } from '../audit';
import type { Principal, RequestContext } from '../context';
import type { Deps } from '../deps';
import { AppError } from '../errors';
import { completePolicy } from './riskPolicy';
import type { SentPolicy } from './riskPolicy';
import { readPolicyRow, writePolicy } from './riskPolicyStore';
import type { PolicyRow } from './riskPolicyStore';
import { SIGNALS } from './signals';

/** A policy as it is shown: with the version to send back, and what each signal weighs under it. */
export interface ShownPolicy extends PolicyRow {
  signals: { code: string; defaultWeight: number; weight: number }[];
}

function show(row: PolicyRow): ShownPolicy {
  const weights: Readonly<Record<string, number | undefined>> = row.policy.weights;
  const signals = SIGNALS.map(({ code, weight }) => ({
    code,
    defaultWeight: weight,
    weight: weights[code] ?? weight,
  }));
  return { ...row, signals };
}

/** The policy of the tenant that somebody is signed in to. */
export const showRiskPolicy = async (
  deps: Pick<Deps, 'db'>,
  { tenantId }: Principal,
): Promise<ShownPolicy> => show(await readPolicyRow(deps.db, tenantId));

/**
 * Puts another policy in the place of the one that the caller has seen, and records both.
 * @param change `version` is that of the policy that was seen
 * @throws AppError CONFLICT where somebody else has changed it since
 */
export async function changeRiskPolicy(
  deps: Pick<Deps, 'db' | 'clock' | 'riskPolicies'>,
  ctx: RequestContext,
  { tenantId, staffId }: Principal,
  change: { version: number; policy: SentPolicy },
): Promise<ShownPolicy> {
  const written = await deps.db.transaction(async (tx) => {
    const before = await readPolicyRow(tx, tenantId);
    const policy = completePolicy(change.policy, before.policy);
    const next = { from: change.version, policy, staffId, now: deps.clock.now() };
    const fits = before.version === change.version;
    const after = fits ? await writePolicy(tx, tenantId, next) : undefined;
    if (!after) {
      const detail = `The policy is at version ${before.version} by now: look at it again.`;
      throw new AppError('CONFLICT', { detail });
    }
    await recordAudit(tx, ctx, {
      action: 'RISK_POLICY_CHANGED',
      outcome: 'success',
      subject: `tenant:${tenantId}`,
      details: { version: after.version, before: before.policy, after: after.policy },
    });
    return after;
  });
  deps.riskPolicies.forget(tenantId);
  return show(written);
}
