import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Db, Tx } from '../db';
import type { ChallengeOrigin, StepUpPurpose } from '../db/schema';
import type { Deps } from '../deps';
import { toChallengeId } from './challengeId';
import { findOpenChallenge, insertChallenge } from './challengeStore';
import { listAllowedMethods } from './proofs';

export interface ChallengeRequest {
  tenantId: string;
  userId: string;
  staffId: string;
  sessionId: string | null;
  origin: ChallengeOrigin;
  purpose: StepUpPurpose;
  score?: number;
  reasons?: string[];
  rememberMe?: boolean;
}

/** What a 428 tells the client of the challenge. */
export interface ChallengeOffer {
  challengeId: string;
  methods: string[];
  /** Where `methods` is empty: why, and what to do. */
  reason?: 'NO_FACTOR_ENROLLED';
  detail?: string;
}

type ChallengeDeps = Pick<Deps, 'keys' | 'clock' | 'random' | 'config' | 'mail' | 'riskPolicies'>;

/** How long a challenge can be answered. */
const OPEN_FOR_MS = 10 * 60_000;

const NO_WAY_ON: Record<ChallengeOrigin, string> = {
  login: 'No second factor is enrolled. Ask an administrator to enrol one for you.',
  refresh: 'No second factor is enrolled. Ask an administrator to enrol one for you.',
  session:
    'No second factor is enrolled. Enrol one with POST /api/security/totp/enroll or …/passkeys/register/start.',
};

function describeOffer(
  challengeId: string,
  methods: string[],
  origin: ChallengeOrigin,
): ChallengeOffer {
  if (methods.length > 0) return { challengeId, methods };
  return { challengeId, methods, reason: 'NO_FACTOR_ENROLLED', detail: NO_WAY_ON[origin] };
}

async function findReusable(db: Db, request: ChallengeRequest, now: Date) {
  const { tenantId, sessionId, purpose, origin } = request;
  if (sessionId === null) return undefined;
  return findOpenChallenge(db, tenantId, { sessionId, purpose, origin, now });
}

/** Opens a challenge: a row, and the event that says so. */
export async function openChallenge(
  deps: Pick<Deps, 'clock' | 'random'>,
  tx: Tx,
  ctx: RequestContext,
  request: ChallengeRequest,
  methods: string[],
): Promise<string> {
  const now = deps.clock.now();
  const id = deps.random.id();
  const expiresAt = new Date(now.getTime() + OPEN_FOR_MS);
  await insertChallenge(tx, { ...request, id, createdAt: now, expiresAt });
  await recordAudit(tx, ctx, {
    action: 'STEP_UP_REQUIRED',
    outcome: 'denied',
    tenantId: request.tenantId,
    actor: request.staffId,
    sessionId: request.sessionId,
    subject: `challenge:${id}`,
    details: { purpose: request.purpose, origin: request.origin, methods },
  });
  return id;
}

/**
 * Offers a challenge: a new one, or the open one of the same session and purpose again, since asking twice
 * must not double the tries. A login's challenge is never shared: two logins may be two people.
 */
export async function offerChallenge(
  deps: ChallengeDeps,
  tx: Tx,
  ctx: RequestContext,
  request: ChallengeRequest,
): Promise<ChallengeOffer> {
  const methods = await listAllowedMethods(deps, tx, request);
  const found = await findReusable(tx, request, deps.clock.now());
  const id = found?.id ?? (await openChallenge(deps, tx, ctx, request, methods));
  return describeOffer(toChallengeId(deps.keys, id), methods, request.origin);
}
