import { recordAudit } from '../../audit';
import type { Principal, RequestContext } from '../../context';
import type { Tx } from '../../db';
import { assertRowId } from '../../db/ids';
import type { SecurityDeps } from '../deps';
import { AppError } from '../../errors';
import type { Passage } from '../../http/passage';
import { noticeFactorChanged } from '../../mail';
import type { NoticeDeps } from '../../mail';
import { endProofs } from './endProofs';
import {
  countRecoveryCodes,
  deleteFactor,
  deleteRecoveryCodes,
  insertRecoveryCodes,
  listFactors,
} from './factorStore';
import type { Factor } from './factorStore';
import { leavesWithoutProof } from '../risk/lockedOut';
import { listEnrolled } from './proofs';
import type { MethodDeps } from './proofs';
import { readPolicyRow } from '../risk/riskPolicyStore';
import { RECOVERY_CODES, hashRecoveryCode, newRecoveryCode } from './recoveryCode';
import { withProof } from './stepUpGate';

type ChangeDeps = NoticeDeps & Pick<SecurityDeps, 'db' | 'config' | 'riskPolicies'>;

export interface OwnFactors {
  factors: Factor[];
  recoveryCodes: { left: number; createdAt: Date | null };
}

/** Lists the caller's enrolled factors, never a secret. */
export async function listOwnFactors(
  deps: Pick<SecurityDeps, 'db'>,
  { tenantId, staffId }: Principal,
): Promise<OwnFactors> {
  const [factors, recoveryCodes] = await Promise.all([
    listFactors(deps.db, tenantId, staffId),
    countRecoveryCodes(deps.db, tenantId, staffId),
  ]);
  return { factors, recoveryCodes };
}

/** @returns whether there were any */
async function dropRecoveryCodes(
  tx: Tx,
  ctx: RequestContext,
  { tenantId, staffId }: Principal,
): Promise<boolean> {
  if ((await deleteRecoveryCodes(tx, tenantId, staffId)) === 0) return false;
  await recordAudit(tx, ctx, {
    action: 'FACTOR_REMOVED',
    outcome: 'success',
    subject: `staff:${staffId}`,
    details: { factor: 'recovery_code', via: 'api' },
  });
  return true;
}

/** Reads the policy in the transaction: a concurrent policy change waits for the same lock. */
async function assertLeavesProof(deps: MethodDeps, tx: Tx, principal: Principal): Promise<void> {
  const { policy } = await readPolicyRow(tx, principal.tenantId);
  const enrolled = await listEnrolled(deps, tx, principal);
  if (!leavesWithoutProof(deps, policy, enrolled)) return;
  throw new AppError('POLICY_LOCKS_OUT', {
    detail:
      "Without this factor you would have no proof left that your tenant's policy accepts. Enrol another one first.",
  });
}

/**
 * Removes one of the caller's own factors. The last factor takes the recovery codes with it: they
 * replace a factor that is out of reach, and are not meant for an account without one.
 * @param passage the proof that this act consumes
 * @throws AppError NOT_FOUND, also for somebody else's factor; STEP_UP_REQUIRED if another act used
 * the proof; POLICY_LOCKS_OUT if the remaining factors do not count
 */
export async function removeFactor(
  deps: ChangeDeps,
  ctx: RequestContext,
  principal: Principal,
  passage: Passage,
  id: string,
): Promise<void> {
  const { tenantId, staffId } = principal;
  assertRowId(id);
  await withProof(deps, ctx, principal, passage, async (tx) => {
    const factor = await deleteFactor(tx, tenantId, { staffId, id });
    if (factor === undefined) throw new AppError('NOT_FOUND');
    // Somebody else may have given a proof with this factor a moment ago.
    await endProofs(tx, tenantId, { staffId, now: deps.clock.now() });
    await recordAudit(tx, ctx, {
      action: 'FACTOR_REMOVED',
      outcome: 'success',
      subject: `factor:${id}`,
      details: { factor, via: 'api' },
    });
    const left = await listFactors(tx, tenantId, staffId);
    if (left.length === 0) await dropRecoveryCodes(tx, ctx, principal);
    await assertLeavesProof(deps, tx, principal);
    await noticeFactorChanged(deps, tx, ctx, principal, { factor, change: 'removed' });
  });
  deps.mail.wake();
}

/**
 * Creates ten new recovery codes and deletes all earlier ones. They are shown once, and stored as
 * keyed hashes.
 * @param passage the proof that this act consumes
 * @throws AppError STEP_UP_REQUIRED if another act used the proof; NO_FACTOR for a person without a
 * factor that the codes could replace
 */
export async function regenerateRecoveryCodes(
  deps: ChangeDeps,
  ctx: RequestContext,
  principal: Principal,
  passage: Passage,
): Promise<{ codes: string[] }> {
  const { tenantId, userId, staffId } = principal;
  const codes = new Set<string>();
  while (codes.size < RECOVERY_CODES) codes.add(newRecoveryCode(deps.random));
  const createdAt = deps.clock.now();
  await withProof(deps, ctx, principal, passage, async (tx) => {
    if ((await listFactors(tx, tenantId, staffId)).length === 0) throw new AppError('NO_FACTOR');
    const replaced = await dropRecoveryCodes(tx, ctx, principal);
    if (replaced) await endProofs(tx, tenantId, { staffId, now: createdAt });
    const rows = [...codes].map((code) => ({
      ...{ id: deps.random.id(), tenantId, userId, staffId, createdAt },
      codeHash: hashRecoveryCode(deps.keys, staffId, code),
      keyId: deps.keys.ids.tokenHash,
    }));
    await insertRecoveryCodes(tx, rows);
    await recordAudit(tx, ctx, {
      action: 'FACTOR_ENROLLED',
      outcome: 'success',
      subject: `staff:${staffId}`,
      details: { factor: 'recovery_code', via: 'api' },
    });
    const what = { factor: 'recovery_code', change: replaced ? 'replaced' : 'added' } as const;
    await noticeFactorChanged(deps, tx, ctx, principal, what);
  });
  deps.mail.wake();
  return { codes: [...codes] };
}
