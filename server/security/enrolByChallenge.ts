import type { Principal } from '../context';
import type { Db, Tx } from '../db';
import type { Deps } from '../deps';
import { AppError } from '../errors';
import { fromChallengeId } from './challengeId';
import { findEnrolling, noteEnrolled } from './enrolmentChallengeStore';
import { listEnrollable, readStanding } from './proofs';
import type { MethodDeps } from './proofs';
import { readPolicyRow } from './riskPolicyStore';

/**
 * The person whom a login's challenge lets enrol a factor, and nothing else: they have no session and no permissions.
 * @throws AppError UNAUTHENTICATED for any challenge that was not proven, is used, ended or too old, or asks for no factor
 */
export async function findEnrollee(
  deps: Pick<Deps, 'db' | 'keys' | 'clock'>,
  challengeId: string,
): Promise<Principal> {
  const id = fromChallengeId(deps.keys, challengeId);
  const found = id === null ? undefined : await findEnrolling(deps.db, id, deps.clock.now());
  if (!found || id === null) {
    const detail = 'Send an access token, or a verified challenge that asks for a factor.';
    throw new AppError('UNAUTHENTICATED', { detail, headers: { 'www-authenticate': 'Bearer' } });
  }
  const { slug, name, ...who } = found;
  const nothing = { sessionId: null, sid: '', permissions: [] };
  return { ...who, ...nothing, tenant: { slug, name }, enrolsBy: id };
}

/**
 * Refuses to begin an enrolment for a login's challenge that would not count.
 * @throws AppError METHOD_UNAVAILABLE for a factor that their tenant does not count
 */
export async function assertEnrolmentCounts(
  deps: MethodDeps,
  db: Db | Tx,
  { tenantId, enrolsBy }: Principal,
  method: 'totp' | 'passkey',
): Promise<void> {
  if (enrolsBy === undefined) return;
  const { policy } = await readPolicyRow(db, tenantId);
  if (listEnrollable(deps, policy).includes(method)) return;
  const detail = `Your tenant does not count this factor. Enrol one of: ${policy.methods.join(', ')}.`;
  throw new AppError('METHOD_UNAVAILABLE', { detail });
}

/**
 * Ends an enrolment that a login's challenge allowed: to be called before the factor is added, under the lock of the
 * person's factors. The challenge enrols one factor that counts, for somebody who has none that does.
 * @throws AppError METHOD_UNAVAILABLE for a factor that their tenant does not count, CHALLENGE_NOT_FOUND
 */
export async function settleEnrolment(
  deps: MethodDeps & Pick<Deps, 'clock'>,
  tx: Tx,
  principal: Principal,
  method: 'totp' | 'passkey',
): Promise<void> {
  const { tenantId, staffId, enrolsBy: id } = principal;
  if (id === undefined) return;
  const { policy } = await readPolicyRow(tx, tenantId);
  await assertEnrolmentCounts(deps, tx, principal, method);
  const { counting } = await readStanding(deps, tx, principal, policy);
  const noted =
    counting.length === 0 &&
    (await noteEnrolled(tx, tenantId, { id, staffId, now: deps.clock.now() }));
  if (!noted) throw new AppError('CHALLENGE_NOT_FOUND');
}
