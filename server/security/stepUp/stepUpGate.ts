import type { Principal, RequestContext } from '../../context';
import type { Db, Tx } from '../../db';
import { isAppPurpose } from '../../db/schema';
import type { StepUpPurpose } from '../../db/schema';
import { inTenant } from '../../db/tenantScope';
import type { SecurityDeps } from '../deps';
import { AppError } from '../../errors';
import type { Act, Gate, Passage } from '../../http/passage';
import { offerChallenge, stepUpRequired } from './challenges';
import { lockFactors } from './factorStore';
import { consumeSessionProof, findFreshStepUp, restoreSessionProof } from './proofStore';
import { listEnrolled, readStanding } from './proofs';

type GateDeps = Pick<
  SecurityDeps,
  'db' | 'keys' | 'clock' | 'random' | 'config' | 'mail' | 'riskPolicies'
>;

/**
 * Returns the shortest of the tenant's window for the purpose, the route's window and the
 * configured cap. Without a policy of its own, a tenant gets the route's window, or the default.
 */
export async function findWindowSec(
  deps: Pick<SecurityDeps, 'riskPolicies' | 'config'>,
  tenantId: string,
  purpose: StepUpPurpose,
  ofRoute: number | undefined,
): Promise<number> {
  const { version, policy } = await deps.riskPolicies.read(tenantId);
  // The team's own purposes have no windows of their own in the policy.
  const window = isAppPurpose(purpose) ? 'security_settings' : purpose;
  const chosen = policy.stepUpWindowsSec[window];
  const windowSec = version === 0 ? (ofRoute ?? chosen) : Math.min(ofRoute ?? chosen, chosen);
  return Math.min(windowSec, deps.config.stepUpMaxWindowSec);
}

/** A proof that an act has consumed, and when. */
export interface SpentProof {
  readonly id: string;
  readonly at: Date;
}

/**
 * Returns whether none of a person's factors counts under their tenant's policy. For the one act of
 * enrolling a factor that counts, they may use what they have.
 */
async function countsNoMore(deps: GateDeps, principal: Principal): Promise<boolean> {
  const { policy } = await deps.riskPolicies.read(principal.tenantId);
  const { counting, canEnrol } = await readStanding(deps, deps.db, principal, policy);
  return counting.length === 0 && canEnrol;
}

/**
 * Returns the digests under which an act may be stored, one for each accepted key, the current one
 * first. They are keyed, because the body of an act may hold a password: a thief who reads the stored
 * digest must not be able to guess it.
 */
const digestsOf = ({ keys }: Pick<GateDeps, 'keys'>, { digest }: Act): string[] =>
  keys.hashAll('act', digest).map((hash) => hash.toString('hex'));

async function demand(
  deps: GateDeps,
  ctx: RequestContext,
  principal: Principal & { sessionId: string },
  { purpose, act, firstFactor }: Gate,
  maxAge: number,
): Promise<never> {
  const { tenantId, userId, staffId, sessionId, sessionVersion } = principal;
  const whose = { tenantId, userId, staffId, sessionId, sessionVersion };
  const mustEnrol =
    firstFactor === true && act !== undefined && (await countsNoMore(deps, principal));
  const [digest = ''] = act ? digestsOf(deps, act) : [];
  const asked = {
    origin: 'session' as const,
    purpose,
    ...(act ? { act: { ...act, digest } } : {}),
  };
  const request = { ...whose, ...asked, ...(mustEnrol ? { mustEnrol } : {}) };
  const offer = await inTenant(deps.db, whose.tenantId, (tx) =>
    offerChallenge(deps, tx, ctx, request),
  );
  // RFC 9470 3
  throw stepUpRequired(purpose, offer, undefined, {
    'www-authenticate': `Bearer error="insufficient_user_authentication", error_description="A fresh second proof is needed for ${purpose}", max_age=${maxAge}`,
  });
}

/**
 * Passes if this session holds a proof for this purpose (and this act, if there is one) that is
 * younger than the window.
 * @returns how it passed, for {@link withProof} if the gate guards one act
 * @throws AppError STEP_UP_REQUIRED with a challenge and RFC 9470's header; SCHEMA_UNAVAILABLE for
 * a token without a session, since a proof is only valid in one session
 */
export async function assertStepUp(
  deps: GateDeps,
  ctx: RequestContext,
  principal: Principal,
  gate: Gate,
): Promise<Passage> {
  if (gate.firstFactor && principal.enrolsBy !== undefined) return { by: 'enrolling', gate };
  if (gate.firstFactor && !(await hasFactor(deps, deps.db, principal))) {
    return { by: 'no_factor', gate };
  }
  const { tenantId, sessionId } = principal;
  if (sessionId === null) {
    throw new AppError('SCHEMA_UNAVAILABLE', {
      detail: 'A step-up needs a session. Sign in again.',
    });
  }
  const maxAge = await findWindowSec(deps, tenantId, gate.purpose, gate.windowSec);
  const proof = await findFreshStepUp(deps.db, tenantId, {
    ...{ sessionId, purpose: gate.purpose },
    actDigests: gate.act ? digestsOf(deps, gate.act) : null,
    ...{ windowSec: maxAge, now: deps.clock.now() },
  });
  if (proof?.verifiedAt) {
    const { id: proofId, verifiedAt } = proof;
    return { by: 'proof', gate, proofId, verifiedAt, windowSec: maxAge };
  }
  return demand(deps, ctx, { ...principal, sessionId }, gate, maxAge);
}

/**
 * @returns false if another act used the proof, or the first factor was enrolled in the meantime
 */
async function usePassage(
  deps: GateDeps,
  tx: Tx,
  principal: Principal,
  passage: Passage,
  now: Date,
): Promise<boolean> {
  switch (passage.by) {
    case 'proof':
      return consumeSessionProof(tx, principal.tenantId, { id: passage.proofId, now });
    case 'no_factor':
      return !(await hasFactor(deps, tx, principal));
    case 'enrolling':
    case 'test_bypass':
      return true;
  }
}

/**
 * Runs an act that needs its own proof. The proof is consumed in the act's transaction, so a failed
 * act consumes none. If another act was faster, it looks for another proof, and demands one if
 * there is none.
 * @param passage the result of {@link assertStepUp}
 * @param act gets the proof that it consumes, if any: see {@link giveProofBack}
 * @param lockFirst takes the locks of the act that come before the lock of the person's own row
 * @returns the result of the act
 * @throws AppError STEP_UP_REQUIRED, and any error of the act
 */
export async function withProof<T>(
  deps: GateDeps,
  ctx: RequestContext,
  principal: Principal,
  passage: Passage,
  act: (tx: Tx, spent: SpentProof | undefined) => Promise<T>,
  lockFirst: (tx: Tx) => Promise<void> = () => Promise.resolve(),
): Promise<T> {
  const { tenantId, staffId } = principal;
  let how = passage;
  for (;;) {
    const tried = how;
    const done = await inTenant(deps.db, tenantId, async (tx) => {
      await lockFirst(tx);
      await lockFactors(tx, tenantId, staffId);
      const at = deps.clock.now();
      if (!(await usePassage(deps, tx, principal, tried, at))) return undefined;
      const spent = tried.by === 'proof' ? { id: tried.proofId, at } : undefined;
      return { result: await act(tx, spent) };
    });
    if (done) return done.result;
    how = await assertStepUp(deps, ctx, principal, passage.gate);
  }
}

/**
 * Gives a proof back in the transaction that records that its act failed, so that a server fault
 * does not cost the person a second proof. Use it only if nothing of the act has left the server.
 * The proof keeps its age, and stays ended if something has ended it since.
 * @returns false if it was given back before, or something has ended it
 */
export const giveProofBack = (tx: Tx, tenantId: string, spent: SpentProof): Promise<boolean> =>
  restoreSessionProof(tx, tenantId, spent);

/**
 * Returns whether a staff member has a second factor. Adding the first one, and changing a password
 * without one, needs no proof; every other change does.
 */
export async function hasFactor(
  deps: Pick<SecurityDeps, 'config' | 'mail'>,
  db: Db | Tx,
  staff: Pick<Principal, 'tenantId' | 'staffId'>,
): Promise<boolean> {
  return (await listEnrolled(deps, db, staff)).length > 0;
}
