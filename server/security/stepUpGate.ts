import type { Principal, RequestContext } from '../context';
import type { StepUpPurpose } from '../db/schema';
import type { Deps } from '../deps';
import { AppError } from '../errors';
import { hasFreshStepUp } from './challengeStore';
import { offerChallenge } from './challenges';
import { listEnrolled } from './proofs';

type GateDeps = Pick<Deps, 'db' | 'keys' | 'clock' | 'random' | 'config' | 'riskPolicies'>;

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
 * @throws AppError STEP_UP_REQUIRED with a challenge and RFC 9470's header; SCHEMA_UNAVAILABLE for a
 *   token without a session, since a proof is worth something in one session only
 */
export async function assertStepUp(
  deps: GateDeps,
  ctx: RequestContext,
  principal: Principal,
  purpose: StepUpPurpose,
  windowSec?: number,
): Promise<void> {
  const { tenantId, userId, staffId, sessionId } = principal;
  if (sessionId === null) {
    throw new AppError('SCHEMA_UNAVAILABLE', { detail: 'A step-up needs a session.' });
  }
  const maxAge = await findWindowSec(deps, tenantId, purpose, windowSec);
  const now = deps.clock.now();
  if (await hasFreshStepUp(deps.db, tenantId, { sessionId, purpose, windowSec: maxAge, now }))
    return;
  const request = { tenantId, userId, staffId, sessionId, origin: 'session' as const, purpose };
  const offer = await deps.db.transaction((tx) => offerChallenge(deps, tx, ctx, request));
  throw new AppError('STEP_UP_REQUIRED', {
    extra: { requiresStepUp: true, purpose, ...offer },
    // RFC 9470 3
    headers: {
      'www-authenticate': `Bearer error="insufficient_user_authentication", error_description="A fresh second proof is needed for ${purpose}", max_age=${maxAge}`,
    },
  });
}

/** Whether a staff member has a second factor: replacing one takes a step-up, the first one does not. */
export async function hasFactor(
  deps: Pick<Deps, 'db' | 'config'>,
  staff: Pick<Principal, 'tenantId' | 'staffId'>,
): Promise<boolean> {
  return (await listEnrolled(deps, deps.db, staff)).length > 0;
}
