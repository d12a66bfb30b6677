import type { Principal } from '../context';
import type { StepUpPurpose } from '../db/schema';
import type { Deps } from '../deps';
import { AppError } from '../errors';
import { fromChallengeId } from './challengeId';
import {
  MAX_ATTEMPTS,
  findChallenge,
  listJustVerified,
  listOpenChallenges,
} from './challengeStore';
import type { Challenge } from './challengeStore';

type FindDeps = Pick<Deps, 'db' | 'keys' | 'clock'>;

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

const isOpen = ({ verifiedAt, revokedAt, expiresAt, attempts }: Challenge, now: Date) =>
  verifiedAt === null && revokedAt === null && expiresAt > now && attempts < MAX_ATTEMPTS;

/**
 * The one open challenge that this session itself asked for; else the one that the same answer verified a moment ago.
 * One of a login or a refresh is never meant, unless it is named: somebody else may have caused it.
 * @throws AppError CHALLENGE_ID_REQUIRED if several are open: a proof opens only what it was given for
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
 * Which challenge is meant: the one that is named; else the one in the cookie, while it can be answered; else, in a
 * session, the only open one that this session asked for. Whether the one that is named is still open is not looked at.
 * @param principal who is signed in, or null at a login
 * @param isRepeat tells a challenge that the same answer has verified
 * @throws AppError CHALLENGE_NOT_FOUND, alike for one that does not exist and one of somebody else; UNAUTHENTICATED, or in
 *   a session CHALLENGE_ID_REQUIRED, if nothing says which challenge is meant
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
  // A cookie outlives its challenge: then the session's own is meant.
  const inSession = principal && (await findInSession(deps, principal, purpose, isRepeat));
  const found = inSession ?? inCookie;
  if (found) return found;
  throw new AppError(principal ? 'CHALLENGE_ID_REQUIRED' : 'CHALLENGE_NOT_FOUND');
}
