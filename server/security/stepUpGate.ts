import type { Principal, RequestContext } from '../context';
import type { Db, Tx } from '../db';
import type { StepUpPurpose } from '../db/schema';
import type { Deps } from '../deps';
import { AppError } from '../errors';
import type { Act } from './act';
import { offerChallenge } from './challenges';
import { lockFactors } from './factorStore';
import { consumeSessionProof, findFreshStepUp, restoreSessionProof } from './proofStore';
import { listEnrolled, readStanding } from './proofs';

type GateDeps = Pick<Deps, 'db' | 'keys' | 'clock' | 'random' | 'config' | 'mail' | 'riskPolicies'>;

const DEFAULT_WINDOW_SEC = 600;

/** The tenant's window for the purpose; a route that asks for a fresher proof than that has its way. */
async function findWindowSec(
  deps: GateDeps,
  tenantId: string,
  purpose: StepUpPurpose,
  ofRoute: number | undefined,
): Promise<number> {
  const { version, policy } = await deps.riskPolicies.read(tenantId);
  const chosen = policy.stepUpWindowsSec[purpose];
  const windowSec =
    version === 0 ? (ofRoute ?? DEFAULT_WINDOW_SEC) : Math.min(ofRoute ?? chosen, chosen);
  return Math.min(windowSec, deps.config.stepUpMaxWindowSec);
}

/** What a gate asks for. */
export interface Gate {
  purpose: StepUpPurpose;
  /** How old the proof may be at this route; the tenant's policy and the configured cap hold above it. */
  windowSec?: number | undefined;
  /** The one act that the proof is for, and is used up by; without it the proof opens a window of time. */
  act?: Act | undefined;
  /** Whether somebody who has no factor yet passes: the first one has nothing to be proven with. */
  firstFactor?: boolean | undefined;
}

/** How a request passed a gate; see {@link withProof}. */
export type Passage =
  | { by: 'proof'; gate: Gate; proofId: string }
  | { by: 'no_factor'; gate: Gate }
  /** The challenge that speaks for them was proven, and the end of the enrolment uses it up. */
  | { by: 'enrolling'; gate: Gate }
  | { by: 'test_bypass'; gate: Gate };

/** A proof that an act has used up, and when. */
export interface SpentProof {
  readonly id: string;
  readonly at: Date;
}

/**
 * Whether none of somebody's factors counts under their tenant's policy. For the one act of enrolling a factor that does,
 * they prove themselves with what they have.
 */
async function countsNoMore(deps: GateDeps, principal: Principal): Promise<boolean> {
  const { policy } = await deps.riskPolicies.read(principal.tenantId);
  const { counting, canEnrol } = await readStanding(deps, deps.db, principal, policy);
  return counting.length === 0 && canEnrol;
}

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
  const asked = { origin: 'session' as const, purpose, ...(act ? { act } : {}) };
  const request = { ...whose, ...asked, ...(mustEnrol ? { mustEnrol } : {}) };
  const offer = await deps.db.transaction((tx) => offerChallenge(deps, tx, ctx, request));
  throw new AppError('STEP_UP_REQUIRED', {
    extra: { requiresStepUp: true, purpose, ...offer },
    // RFC 9470 3
    headers: {
      'www-authenticate': `Bearer error="insufficient_user_authentication", error_description="A fresh second proof is needed for ${purpose}", max_age=${maxAge}`,
    },
  });
}

/**
 * Passes if this session holds a proof for this purpose, and this act if there is one, that is younger than the window.
 * @returns how it passed, for {@link withProof} if the gate guards one act
 * @throws AppError STEP_UP_REQUIRED with a challenge and RFC 9470's header; SCHEMA_UNAVAILABLE for a
 *   token without a session, since a proof is worth something in one session only
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
    throw new AppError('SCHEMA_UNAVAILABLE', { detail: 'A step-up needs a session.' });
  }
  const maxAge = await findWindowSec(deps, tenantId, gate.purpose, gate.windowSec);
  const proofId = await findFreshStepUp(deps.db, tenantId, {
    ...{ sessionId, purpose: gate.purpose, actDigest: gate.act?.digest ?? null },
    ...{ windowSec: maxAge, now: deps.clock.now() },
  });
  if (proofId !== undefined) return { by: 'proof', gate, proofId };
  return demand(deps, ctx, { ...principal, sessionId }, gate, maxAge);
}

/** @returns false if another act used the proof, or the first factor was enrolled meanwhile */
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
 * Does an act that takes a proof of its own: the proof is used up in the act's transaction, so an act that fails uses up
 * none. If another act was faster, it looks for another proof, and asks for one if there is none.
 * @param passage as {@link assertStepUp} returned it
 * @param act is told which proof it uses up, if any: see {@link giveProofBack}
 * @returns what the act returns
 * @throws AppError STEP_UP_REQUIRED, and whatever the act throws
 */
export async function withProof<T>(
  deps: GateDeps,
  ctx: RequestContext,
  principal: Principal,
  passage: Passage,
  act: (tx: Tx, spent: SpentProof | undefined) => Promise<T>,
): Promise<T> {
  const { tenantId, staffId } = principal;
  let how = passage;
  for (;;) {
    const tried = how;
    const done = await deps.db.transaction(async (tx) => {
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
 * Gives a proof back, in the transaction that records that the act it was used for failed: a fault of the server's does not
 * cost the person a second proof. Only for an act of which nothing has left the server. The proof is as old as it was, and
 * what has ended it since stays in force.
 * @returns false if it was given back before, or something has ended it
 */
export const giveProofBack = (tx: Tx, tenantId: string, spent: SpentProof): Promise<boolean> =>
  restoreSessionProof(tx, tenantId, spent);

/** Whether a staff member has a second factor: changing what there is takes a proof, the first one does not. */
async function hasFactor(
  deps: Pick<Deps, 'config' | 'mail'>,
  db: Db | Tx,
  staff: Pick<Principal, 'tenantId' | 'staffId'>,
): Promise<boolean> {
  return (await listEnrolled(deps, db, staff)).length > 0;
}
