import { recordAudit } from '../../audit';
import type { RequestContext } from '../../context';
import type { Tx } from '../../db';
import type { ChallengeOrigin, StepUpPurpose } from '../../db/schema';
import type { SecurityDeps } from '../deps';
import { AppError } from '../../errors';
import type { Act } from '../../http/passage';
import type { KeyRing } from '../../keyRing';
import { MINUTE_MS } from '../../durations';
import { toChallengeId } from './challengeId';
import { endChallenge, insertChallenge, listOpenChallenges } from './challengeStore';
import type { Challenge } from './challengeStore';
import { lockFactors } from './factorStore';
import { listAllowedMethods } from './proofs';

export interface ChallengeRequest {
  tenantId: string;
  userId: string;
  staffId: string;
  sessionId: string | null;
  /**
   * The staff member's session version when the password, token or session was checked. If it
   * changes, the challenge is ended.
   */
  sessionVersion: number;
  origin: ChallengeOrigin;
  purpose: StepUpPurpose;
  score?: number;
  reasons?: string[];
  rememberMe?: boolean;
  /**
   * For a session: the one act that the proof is for. Without it, the proof is valid for a window
   * of time.
   */
  act?: Act;
  /**
   * For a refresh: the id of the new token that its 428 returns. The proof is valid only for that
   * token.
   */
  refreshTokenId?: string;
  /**
   * The tries counted at the start. A challenge that replaces another has only the tries that were
   * left.
   */
  attempts?: number;
  /**
   * HMAC of the device id of the browser that begins the challenge. The challenge cookie is valid
   * only in that browser.
   */
  browserHash?: string | null;
  /** The login goes on only once a second factor is enrolled. */
  mustEnrol?: boolean;
  /** A login that began with the second factor: the password has not been checked yet. */
  passwordDue?: boolean;
  /** For the login of a member whom a provider has proven: the connection. */
  ssoConnectionId?: string;
  /** The provider's id of its own session. */
  providerSid?: string | null;
  /** The values of the provider's `amr` that count. */
  providerAmr?: string[];
}

/** The part of a 428 answer that describes the challenge. */
export interface ChallengeOffer {
  challengeId: string;
  methods: string[];
  /** When it can no longer be answered, ISO 8601. */
  expiresAt: string;
  /**
   * The login goes on only once a second factor is enrolled: the proof gives access to the
   * enrolment routes.
   */
  mustEnrol?: true;
  /** If `methods` is empty: the reason, and what to do. */
  reason?: 'NO_FACTOR_ENROLLED';
  detail?: string;
}

/**
 * Builds the 428 answer that offers a challenge.
 * @param found why a login or refresh needs a proof, and the token that a refresh has rotated
 */
export const stepUpRequired = (
  purpose: StepUpPurpose,
  offer: ChallengeOffer,
  found?: { refreshToken?: string; score: number; reasons: readonly string[] },
  headers: Readonly<Record<string, string>> = {},
): AppError =>
  new AppError('STEP_UP_REQUIRED', {
    extra: { requiresStepUp: true, purpose, ...found, ...offer },
    headers,
  });

export type ChallengeDeps = Pick<
  SecurityDeps,
  'keys' | 'clock' | 'random' | 'config' | 'mail' | 'riskPolicies'
>;

/** How long a challenge can be answered. */
const OPEN_FOR_MS = 10 * MINUTE_MS;
/**
 * A challenge is offered again only while it has more than this left, so that the person has time
 * to answer.
 */
export const OFFERED_AGAIN_MS = OPEN_FOR_MS / 2;

const NO_WAY_ON: Record<ChallengeOrigin, string> = {
  login: 'No second factor is enrolled. Ask an operator of this service to enrol one for you.',
  refresh: 'No second factor is enrolled. Ask an operator of this service to enrol one for you.',
  session:
    'No second factor is enrolled. Enrol one with POST /api/security/totp/enroll or …/passkeys/register/start.',
};

type Opened = Pick<Challenge, 'id' | 'expiresAt'>;

export function describeOffer(
  keys: KeyRing,
  { id, expiresAt }: Opened,
  methods: string[],
  { origin, mustEnrol }: Pick<ChallengeRequest, 'origin' | 'mustEnrol'>,
): ChallengeOffer {
  const challengeId = toChallengeId(keys, id);
  const enrol = mustEnrol ? { mustEnrol: true as const } : {};
  const offer = { challengeId, methods, expiresAt: expiresAt.toISOString(), ...enrol };
  if (methods.length > 0) return offer;
  return { ...offer, reason: 'NO_FACTOR_ENROLLED', detail: NO_WAY_ON[origin] };
}

/**
 * Finds the open challenge of the same session, purpose and act, if more than half of its life is
 * left. One with less is ended, so that two are never open at once: an answer that does not name
 * its challenge could mean either.
 */
async function findReusable(
  tx: Tx,
  request: ChallengeRequest,
  now: Date,
): Promise<Opened | undefined> {
  const { tenantId, staffId, sessionId, purpose, origin, act } = request;
  if (sessionId === null) return undefined;
  // Lock first: of two requests at once, the second then finds the challenge of the first.
  await lockFactors(tx, tenantId, staffId);
  const query = { sessionId, purpose, origin, actDigest: act?.digest ?? null, now };
  const [found] = await listOpenChallenges(tx, tenantId, query);
  if (!found) return undefined;
  if (found.expiresAt.getTime() - now.getTime() > OFFERED_AGAIN_MS) return found;
  await endChallenge(tx, tenantId, { id: found.id, now });
  return undefined;
}

/** Opens a challenge: inserts the row and records the audit event. */
export async function openChallenge(
  deps: Pick<SecurityDeps, 'clock' | 'random'>,
  tx: Tx,
  ctx: RequestContext,
  request: ChallengeRequest,
  methods: string[],
): Promise<Opened> {
  const now = deps.clock.now();
  const id = deps.random.id();
  const expiresAt = new Date(now.getTime() + OPEN_FOR_MS);
  const { act, ...row } = request;
  const asked = act ? { act: act.name, actDigest: act.digest } : {};
  await insertChallenge(tx, { ...row, ...asked, id, createdAt: now, expiresAt });
  await recordAudit(tx, ctx, {
    action: 'STEP_UP_REQUIRED',
    outcome: 'denied',
    tenantId: request.tenantId,
    actor: request.staffId,
    sessionId: request.sessionId,
    subject: `challenge:${id}`,
    details: {
      purpose: request.purpose,
      origin: request.origin,
      methods,
      ...(act ? { act: act.name } : {}),
    },
  });
  return { id, expiresAt };
}

/**
 * Offers a challenge: the open one of the same session and purpose, or a new one. Reusing it stops
 * a second request from doubling the tries. Challenges of logins are never shared, because two
 * logins may be two people.
 */
export async function offerChallenge(
  deps: ChallengeDeps,
  tx: Tx,
  ctx: RequestContext,
  request: ChallengeRequest,
): Promise<ChallengeOffer> {
  const methods = await listAllowedMethods(deps, tx, request);
  const found = await findReusable(tx, request, deps.clock.now());
  const challenge = found ?? (await openChallenge(deps, tx, ctx, request, methods));
  return describeOffer(deps.keys, challenge, methods, request);
}
