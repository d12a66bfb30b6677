import { z } from 'zod';
import { recordAudit } from '../audit';
import type { Principal, RequestContext } from '../context';
import type { Tx } from '../db';
import type { Deps } from '../deps';
import { AppError } from '../errors';
import { noticeFactorChanged } from '../mail';
import type { NoticeDeps } from '../mail';
import { endProofs } from './endProofs';
import {
  countRecoveryCodes,
  deleteFactor,
  deleteRecoveryCodes,
  insertRecoveryCodes,
  listFactors,
} from './factorStore';
import type { Factor } from './factorStore';
import { leavesWithoutProof } from './lockedOut';
import { listEnrolled } from './proofs';
import type { MethodDeps } from './proofs';
import { readPolicyRow } from './riskPolicyStore';
import { RECOVERY_CODES, hashRecoveryCode, newRecoveryCode } from './recoveryCode';
import { withProof } from './stepUpGate';
import type { Passage } from './stepUpGate';

type ChangeDeps = NoticeDeps & Pick<Deps, 'db' | 'config' | 'riskPolicies'>;

export interface OwnFactors {
  factors: Factor[];
  recoveryCodes: { left: number; createdAt: Date | null };
}

/** What the caller has enrolled; never a secret. */
export async function listOwnFactors(
  deps: Pick<Deps, 'db'>,
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

/** Read in the transaction: a policy that is changed at the same moment waits for the same lock. */
async function assertLeavesProof(deps: MethodDeps, tx: Tx, principal: Principal): Promise<void> {
  const { policy } = await readPolicyRow(tx, principal.tenantId);
  const enrolled = await listEnrolled(deps, tx, principal);
  if (!leavesWithoutProof(deps, policy, enrolled)) return;
  throw new AppError('POLICY_LOCKS_OUT', {
    detail:
      "Without this factor you have no proof left that counts under your tenant's policy. Enrol another one first.",
  });
}

/**
 * Removes one of the caller's own factors. With the last one go the recovery codes: they are for the day on which a
 * factor is out of reach, not for life without one.
 * @param passage the proof that this act uses up
 * @throws AppError NOT_FOUND, also for somebody else's; STEP_UP_REQUIRED if another act used the proof;
 *   POLICY_LOCKS_OUT if what is left does not count
 */
export async function removeFactor(
  deps: ChangeDeps,
  ctx: RequestContext,
  principal: Principal,
  passage: Passage,
  id: string,
): Promise<void> {
  const { tenantId, staffId } = principal;
  // An id that is no UUID is simply nobody's: it must not look different from another's.
  if (!z.uuid().safeParse(id).success) throw new AppError('NOT_FOUND');
  await withProof(deps, ctx, principal, passage, async (tx) => {
    const factor = await deleteFactor(tx, tenantId, { staffId, id });
    if (factor === undefined) throw new AppError('NOT_FOUND');
    // It may be the factor that somebody else proved themselves with a moment ago.
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
 * Makes ten new recovery codes in place of all there were. They are shown once, and stored as keyed hashes.
 * @param passage the proof that this act uses up
 * @throws AppError STEP_UP_REQUIRED if another act used the proof; NO_FACTOR for somebody who has no factor whose loss they could be for
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
