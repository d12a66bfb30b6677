import { recordAudit } from '../../audit';
import type { Principal, RequestContext } from '../../context';
import type { Tx } from '../../db';
import { notifyNodes } from '../../db/broadcast';
import { inTenant } from '../../db/tenantScope';
import type { SecurityDeps } from '../deps';
import { AppError } from '../../errors';
import { assertMethodsSetUp, findLockedOut } from './lockedOut';
import type { MethodDeps } from '../stepUp/proofs';
import { DEFAULT_POLICY, completePolicy } from './riskPolicy';
import type { RiskPolicy, SentPolicy } from './riskPolicy';
import { differsFromDefault, readPolicyRow, writePolicy } from './riskPolicyStore';
import type { PolicyRow } from './riskPolicyStore';
import { SIGNALS } from './signals';

/**
 * A policy for display: with its version, which a change must send back, and the weight of each
 * signal.
 */
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

/** Returns the policy of the caller's tenant. */
export const showRiskPolicy = async (
  deps: Pick<SecurityDeps, 'db'>,
  { tenantId }: Principal,
): Promise<ShownPolicy> => show(await readPolicyRow(deps.db, tenantId));

type ChangeDeps = MethodDeps & Pick<SecurityDeps, 'db' | 'clock' | 'riskPolicies'>;

export interface PolicyChange {
  /** The version of the policy that the caller has seen. */
  version: number;
  policy: SentPolicy;
  /** Change the policy even if it leaves people without a usable factor. */
  force: boolean;
}

/**
 * Finds the people that the policy would lock out.
 * @throws AppError POLICY_LOCKS_OUT with these people, unless the change is forced
 */
async function findForcedOut(
  deps: ChangeDeps,
  tx: Tx,
  tenantId: string,
  { policy, force }: { policy: RiskPolicy; force: boolean },
): Promise<{ lockedOut?: string[] }> {
  const people = await findLockedOut(deps, tx, tenantId, policy);
  if (people.length === 0) return {};
  if (force) return { lockedOut: people.map(({ staffId }) => staffId) };
  throw new AppError('POLICY_LOCKS_OUT', {
    detail:
      'Under this policy these people would have no valid proof left. Let them enrol a factor that the policy accepts first, or send "force": true.',
    extra: { people },
  });
}

/**
 * Writes a policy and records the old and the new one.
 * @returns undefined if somebody else changed it first
 */
async function replacePolicy(
  tx: Tx,
  ctx: RequestContext,
  tenantId: string,
  change: {
    before: PolicyRow;
    policy: RiskPolicy;
    staffId: string | null;
    now: Date;
    lockedOut?: string[];
  },
): Promise<PolicyRow | undefined> {
  const { before, policy, staffId, now, lockedOut } = change;
  const after = await writePolicy(tx, tenantId, { from: before.version, policy, staffId, now });
  if (!after) return undefined;
  const forced = lockedOut ? { lockedOut } : {};
  await recordAudit(tx, ctx, {
    action: 'RISK_POLICY_CHANGED',
    outcome: 'success',
    tenantId,
    subject: `tenant:${tenantId}`,
    details: { version: after.version, before: before.policy, after: after.policy, ...forced },
  });
  return after;
}

/**
 * Replaces the policy that the caller has seen, and records the old and the new one.
 * @throws AppError CONFLICT if somebody else has changed it since, METHOD_UNAVAILABLE if it needs a
 * method that is not set up here, POLICY_LOCKS_OUT if it leaves somebody who may change the policy
 * without a usable factor
 */
export async function changeRiskPolicy(
  deps: ChangeDeps,
  ctx: RequestContext,
  { tenantId, staffId }: Principal,
  change: PolicyChange,
): Promise<ShownPolicy> {
  const written = await inTenant(deps.db, tenantId, async (tx) => {
    const before = await readPolicyRow(tx, tenantId);
    const conflict = ({ version }: PolicyRow) => {
      const detail = `The policy is now at version ${version}. Read it again before you change it.`;
      return new AppError('CONFLICT', { detail });
    };
    if (before.version !== change.version) throw conflict(before);
    const policy = completePolicy(change.policy, before.policy);
    assertMethodsSetUp(deps, policy);
    const forced = await findForcedOut(deps, tx, tenantId, { policy, force: change.force });
    const now = deps.clock.now();
    const after = await replacePolicy(tx, ctx, tenantId, {
      ...{ before, policy, staffId, now },
      ...forced,
    });
    if (!after) throw conflict(await readPolicyRow(tx, tenantId));
    return after;
  });
  deps.riskPolicies.forget(tenantId);
  return show(written);
}

/** Returns the policy of a tenant, for an operator. */
export const showPolicyOf = async (deps: Pick<SecurityDeps, 'db'>, tenantId: string) =>
  show(await readPolicyRow(deps.db, tenantId));

/**
 * Resets a tenant's policy to the defaults, for an operator: it helps a tenant that has locked
 * itself out. The running nodes are notified after the change has been committed.
 * @returns undefined if the tenant already uses the defaults; nothing is changed or recorded then
 */
export async function resetRiskPolicy(
  deps: Pick<SecurityDeps, 'db' | 'clock' | 'random' | 'riskPolicies'>,
  ctx: RequestContext,
  tenantId: string,
): Promise<ShownPolicy | undefined> {
  const written = await inTenant(deps.db, tenantId, async (tx) => {
    const before = await readPolicyRow(tx, tenantId);
    if (!(await differsFromDefault(tx, tenantId))) return undefined;
    const now = deps.clock.now();
    const reset = { before, policy: DEFAULT_POLICY, staffId: null, now };
    const after = await replacePolicy(tx, ctx, tenantId, reset);
    if (!after) throw new AppError('CONFLICT');
    return after;
  });
  if (!written) return undefined;
  deps.riskPolicies.forget(tenantId);
  await notifyNodes(deps, [`policy/${tenantId}`]);
  return show(written);
}
