import type { Principal, RequestContext } from '../context';
import type { StepUpPurpose } from '../db/schema';
import type { Deps } from '../deps';
import { AppError } from '../errors';
import { fromChallengeId } from './challengeId';
import { findChallenge, findOpenChallenge } from './challengeStore';
import type { Challenge } from './challengeStore';
import { openChallenge } from './challenges';
import { listAllowedMethods } from './proofs';

type FindDeps = Pick<Deps, 'db' | 'keys' | 'clock' | 'random' | 'config' | 'mail' | 'riskPolicies'>;

/** What a client says of the challenge that it means. */
export interface WhichChallenge {
  purpose: StepUpPurpose;
  /** From the body, where a client sent it. */
  challengeId?: string | undefined;
  /** From the cookie that a login's or refresh's 428 set. */
  cookieChallengeId?: string | undefined;
}

/**
 * A challenge that arose in a session is worth nothing outside it; one of a login or a refresh is worth
 * something to whoever holds its id and a code.
 */
function mayAnswer(challenge: Challenge, principal: Principal | null): boolean {
  if (challenge.origin === 'session') {
    return principal !== null && principal.sessionId === challenge.sessionId;
  }
  return principal === null || principal.staffId === challenge.staffId;
}

async function findOpenInSession(
  deps: FindDeps,
  { tenantId, sessionId }: Principal,
  purpose: StepUpPurpose,
): Promise<Challenge | undefined> {
  if (sessionId === null) return undefined;
  return findOpenChallenge(deps.db, tenantId, { sessionId, purpose, now: deps.clock.now() });
}

/** A client may bring a proof before it is asked for one. */
async function openInSession(
  deps: FindDeps,
  ctx: RequestContext,
  principal: Principal,
  purpose: StepUpPurpose,
): Promise<Challenge | undefined> {
  const { tenantId, userId, staffId, sessionId, sessionVersion } = principal;
  if (sessionId === null) {
    throw new AppError('SCHEMA_UNAVAILABLE', { detail: 'A step-up needs a session.' });
  }
  const methods = await listAllowedMethods(deps, deps.db, principal);
  const whose = { tenantId, userId, staffId, sessionId, sessionVersion };
  const request = { ...whose, origin: 'session' as const, purpose };
  const { id } = await deps.db.transaction((tx) => openChallenge(deps, tx, ctx, request, methods));
  return findChallenge(deps.db, id);
}

/** @returns the challenge behind an id that we handed out, if it is one for this purpose and this person */
async function findById(
  deps: FindDeps,
  principal: Principal | null,
  challengeId: string,
  purpose: StepUpPurpose,
): Promise<Challenge | undefined> {
  const id = fromChallengeId(deps.keys, challengeId);
  const challenge = id === null ? undefined : await findChallenge(deps.db, id);
  const fits = challenge?.purpose === purpose && mayAnswer(challenge, principal);
  return fits ? challenge : undefined;
}

/**
 * Which challenge is meant: the one that is named; else the open one of this session; else the one in the
 * cookie; else, in a session, a new one. Whether it is still open is not looked at.
 * @param principal who is signed in, or null at a login
 * @throws AppError CHALLENGE_NOT_FOUND, alike for one that does not exist and one of somebody else; UNAUTHENTICATED
 *   where nothing says which challenge is meant; SCHEMA_UNAVAILABLE for a token without a session
 */
export async function findAnswerable(
  deps: FindDeps,
  ctx: RequestContext,
  principal: Principal | null,
  which: WhichChallenge,
): Promise<Challenge> {
  const { challengeId, cookieChallengeId, purpose } = which;
  if (challengeId === undefined && cookieChallengeId === undefined && !principal) {
    throw new AppError('UNAUTHENTICATED', {
      detail: 'Send an access token, the challenge cookie or a challengeId.',
    });
  }
  const challenge =
    challengeId === undefined
      ? ((principal && (await findOpenInSession(deps, principal, purpose))) ??
        (cookieChallengeId && (await findById(deps, principal, cookieChallengeId, purpose))) ??
        (principal && (await openInSession(deps, ctx, principal, purpose))))
      : await findById(deps, principal, challengeId, purpose);
  if (!challenge) throw new AppError('CHALLENGE_NOT_FOUND');
  return challenge;
}
