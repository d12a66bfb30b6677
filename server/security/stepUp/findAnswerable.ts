import type { Principal } from '../../context';
import type { StepUpPurpose } from '../../db/schema';
import type { SecurityDeps } from '../deps';
import { AppError } from '../../errors';
import { fromChallengeId } from './challengeId';
import {
  MAX_ATTEMPTS,
  findChallenge,
  listJustVerified,
  listOpenChallenges,
} from './challengeStore';
import type { Challenge } from './challengeStore';

type FindDeps = Pick<SecurityDeps, 'db' | 'keys' | 'clock'>;

/** How a client identifies the challenge that it answers. */
export interface WhichChallenge {
  purpose: StepUpPurpose;
  /** From the body, if the client sent it. */
  challengeId?: string | undefined;
  /** From the cookie that the 428 of a login or refresh set. */
  cookieChallengeId?: string | undefined;
}

/**
 * Returns whether the caller may answer a challenge. One that arose in a session is valid only in
 * that session. One of a login or a refresh may be answered by anyone with its id and a code,
 * unless they are signed in as somebody else.
 */
function mayAnswer(challenge: Challenge, principal: Principal | null): boolean {
  if (challenge.origin === 'session') {
    return principal !== null && principal.sessionId === challenge.sessionId;
  }
  return principal === null || principal.staffId === challenge.staffId;
}

/**
 * @returns the challenge behind an id that the server issued, if it is for this purpose and this
 * person
 */
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

const isOpen = ({ verifiedAt, revokedAt, expiresAt, attempts }: Challenge, now: Date) =>
  verifiedAt === null && revokedAt === null && expiresAt > now && attempts < MAX_ATTEMPTS;

/**
 * Finds the one open challenge of the caller's own session; otherwise the one that the same answer
 * verified within the last minute. It never picks one of a login or a refresh, because somebody
 * else may have caused it.
 * @throws AppError CHALLENGE_ID_REQUIRED if several are open: a proof is valid only for what it was
 * given for
 */
async function findInSession(
  deps: FindDeps,
  { tenantId, sessionId }: Principal,
  purpose: StepUpPurpose,
  isRepeat: (challenge: Challenge) => boolean,
): Promise<Challenge | undefined> {
  if (sessionId === null) return undefined;
  const query = { sessionId, purpose, origin: 'session' as const, now: deps.clock.now() };
  const open = await listOpenChallenges(deps.db, tenantId, query);
  if (open.length > 1) throw new AppError('CHALLENGE_ID_REQUIRED');
  const [only] = open;
  return only ?? (await listJustVerified(deps.db, tenantId, query)).find(isRepeat);
}

/**
 * Finds the challenge that an answer is for: the one that is named; otherwise the one in the
 * cookie, while it can be answered; otherwise, in a session, the only open one of that session. It
 * does not check whether a named challenge is still open.
 * @param principal the signed-in caller, or null at a login
 * @param isRepeat returns whether the same answer has already verified a challenge
 * @throws AppError CHALLENGE_NOT_FOUND, alike for a missing challenge and one of somebody else;
 * UNAUTHENTICATED, or in a session CHALLENGE_ID_REQUIRED, if the challenge cannot be determined
 */
export async function findAnswerable(
  deps: FindDeps,
  principal: Principal | null,
  which: WhichChallenge,
  isRepeat: (challenge: Challenge) => boolean = () => false,
): Promise<Challenge> {
  const { challengeId, cookieChallengeId, purpose } = which;
  if (challengeId !== undefined) {
    const named = await findById(deps, principal, challengeId, purpose);
    if (named) return named;
    throw new AppError('CHALLENGE_NOT_FOUND');
  }
  if (cookieChallengeId === undefined && !principal) {
    throw new AppError('UNAUTHENTICATED', {
      detail: 'Send an access token, the challenge cookie or a challengeId.',
    });
  }
  const inCookie =
    cookieChallengeId && (await findById(deps, principal, cookieChallengeId, purpose));
  if (inCookie && isOpen(inCookie, deps.clock.now())) return inCookie;
  // The cookie outlives its challenge; fall back to the session's own challenge then.
  const inSession = principal && (await findInSession(deps, principal, purpose, isRepeat));
  const found = inSession ?? inCookie;
  if (found) return found;
  throw new AppError(principal ? 'CHALLENGE_ID_REQUIRED' : 'CHALLENGE_NOT_FOUND');
}
