import type { Principal, RequestContext } from '../../context';
import type { Db, Tx } from '../../db';
import type { SecurityDeps } from '../deps';
import { AppError } from '../../errors';
import { assertAddress } from '../../ipRules';
import { fromChallengeId } from './challengeId';
import { findEnrolling, noteEnrolled } from './enrolmentChallengeStore';
import { listEnrollable, readStanding } from './proofs';
import type { MethodDeps } from './proofs';
import { readPolicyRow } from '../risk/riskPolicyStore';

/**
 * Finds the person that a login's challenge allows to enrol a factor, and nothing else: the
 * principal has no session and no permissions.
 * @throws AppError UNAUTHENTICATED for a challenge that is not verified, is used, ended or too old,
 * or does not demand a factor; IP_BLOCKED, IP_RULES_UNAVAILABLE
 */
export async function findEnrollee(
  deps: Pick<SecurityDeps, 'db' | 'keys' | 'clock' | 'ipRules' | 'ipRefusals'>,
  ctx: RequestContext,
  challengeId: string,
): Promise<Principal> {
  const id = fromChallengeId(deps.keys, challengeId);
  const found = id === null ? undefined : await findEnrolling(deps.db, id, deps.clock.now());
  if (!found || id === null) {
    const detail = 'Send an access token, or a verified challenge that asks for a factor.';
    throw new AppError('UNAUTHENTICATED', { detail, headers: { 'www-authenticate': 'Bearer' } });
  }
  const { slug, name, ...who } = found;
  await assertAddress(deps, ctx, who);
  const nothing = { sessionId: null, sid: '', name: null, roles: [], permissions: [] };
  const ownProof = false;
  return { ...who, ...nothing, ownProof, tenant: { slug, name }, enrolsBy: id };
}

/**
 * Refuses to start an enrolment through a login's challenge if the factor would not count.
 * @throws AppError METHOD_UNAVAILABLE for a factor that the tenant does not count
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
  const detail = `Your tenant's policy does not accept this factor. Enrol one of: ${policy.methods.join(', ')}.`;
  throw new AppError('METHOD_UNAVAILABLE', { detail });
}

/**
 * Finishes an enrolment that a login's challenge allowed. Call it before the factor is added, with
 * the person's factors locked. The challenge enrols one factor that counts, for a person who has
 * none that does.
 * @throws AppError METHOD_UNAVAILABLE for a factor that the tenant does not count,
 * CHALLENGE_NOT_FOUND
 */
export async function settleEnrolment(
  deps: MethodDeps & Pick<SecurityDeps, 'clock'>,
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
