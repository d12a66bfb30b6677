import type { Principal, RequestContext } from '../context';
import type { Tx } from '../db';
import type { StepUpPurpose } from '../db/schema';
import type { Deps } from '../deps';
import { AppError } from '../errors';
import { consumeSessionProof, findFreshStepUp } from './challengeStore';
import { offerChallenge } from './challenges';
import { listEnrolled } from './proofs';

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

/**
 * Passes where this session holds a proof for this purpose that is younger than the window.
 * @param windowSec how old the proof may be at this route; the tenant's policy and the configured cap hold above it
 * @returns the proof's id, for {@link spendStepUp} where it guards one act
 * @throws AppError STEP_UP_REQUIRED with a challenge and RFC 9470's header; SCHEMA_UNAVAILABLE for a
 *   token without a session, since a proof is worth something in one session only
 */
export async function assertStepUp(
  deps: GateDeps,
  ctx: RequestContext,
  principal: Principal,
  purpose: StepUpPurpose,
  windowSec?: number,
): Promise<string> {
  const { tenantId, userId, staffId, sessionId, sessionVersion } = principal;
  if (sessionId === null) {
    throw new AppError('SCHEMA_UNAVAILABLE', { detail: 'A step-up needs a session.' });
  }
  const maxAge = await findWindowSec(deps, tenantId, purpose, windowSec);
  const now = deps.clock.now();
  const query = { sessionId, purpose, windowSec: maxAge, now };
  const proof = await findFreshStepUp(deps.db, tenantId, query);
  if (proof !== undefined) return proof;
  const whose = { tenantId, userId, staffId, sessionId, sessionVersion };
  const request = { ...whose, origin: 'session' as const, purpose };
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
 * Begins an act that takes a proof of its own: uses the proof up and records the beginning in one transaction. Where
 * another act was faster, it looks for another proof, and asks for one where there is none.
 * @param proof as {@link assertStepUp} returned it; null where the gate was passed without one, in tests
 * @throws AppError STEP_UP_REQUIRED
 */
export async function spendStepUp(
  deps: GateDeps,
  ctx: RequestContext,
  principal: Principal,
  { purpose, proof }: { purpose: StepUpPurpose; proof: string | null },
  begin: (tx: Tx) => Promise<void>,
): Promise<void> {
  let id = proof;
  for (;;) {
    const begun = await deps.db.transaction(async (tx) => {
      const query = { id: id ?? '', now: deps.clock.now() };
      if (id !== null && !(await consumeSessionProof(tx, principal.tenantId, query))) return false;
      await begin(tx);
      return true;
    });
    if (begun) return;
    id = await assertStepUp(deps, ctx, principal, purpose);
  }
}

/** Whether a staff member has a second factor: replacing one takes a step-up, the first one does not. */
export async function hasFactor(
  deps: Pick<Deps, 'db' | 'config' | 'mail'>,
  staff: Pick<Principal, 'tenantId' | 'staffId'>,
): Promise<boolean> {
  return (await listEnrolled(deps, deps.db, staff)).length > 0;
}
