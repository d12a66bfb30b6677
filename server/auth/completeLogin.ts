import type { RequestContext } from '../context';
import type { Tx } from '../db';
import { AppError } from '../errors';
import { assertAddress } from '../ipRules';
import {
  conclude,
  consumeLoginChallenge,
  findChallenge,
  findPolicyInForce,
  forgetGuesses,
  fromChallengeId,
  learnFromSuccess,
  mustStillEnrol,
  recallVerdict,
  settle,
  settleDevice,
} from '../security';
import type { Challenge, DeviceIdentity } from '../security';
import { amrOf } from './authMethods';
import { noteProofAtLogin, readProfile } from './accountStore';
import { holdProvider } from './holdProvider';
import { noticeNewDevice } from './noticeNewDevice';
import { findIssued, mayReissue, recordReissue } from './lostAnswer';
import { openSession, toTokenPair } from './openSession';
import type { IssuedToken, NewSession, SessionProvider, TokenPair } from './openSession';
import { deriveFirstTokens } from './refreshTokenSecrets';
import { lockStaff } from './refreshTokenStore';
import { enrolmentRequired } from './signInMember';
import type { SignInDeps } from './signInMember';
import { withSessionTable } from './withSessionTable';
import type { SessionMode } from './withSessionTable';
import { inTenant } from '../db/tenantScope';

export interface CompleteLoginInput {
  challengeId: string;
  /** From the `Idempotency-Key` header. */
  idempotencyKey?: string | undefined;
  device: DeviceIdentity;
  /** Called with the device cookie that the browser should keep. */
  onDevice?: (cookie: string) => void;
  /** Called with the first refresh token of the session. */
  onIssued?: (issued: IssuedToken) => void;
}

/**
 * A challenge that could not be consumed, with the first tokens that the request's idempotency key
 * derives.
 */
interface Asked extends Pick<CompleteLoginInput, 'challengeId' | 'onIssued'> {
  id: string;
  derived: readonly string[];
}

/**
 * Answers a retry whose first answer was lost. The idempotency key derives the first token of the
 * chain again, which is returned again if it was not used yet.
 * @returns undefined if there is nothing to return again
 */
async function answerAgain(
  deps: SignInDeps,
  ctx: RequestContext,
  challenge: Challenge,
  { derived, onIssued }: Pick<Asked, 'derived' | 'onIssued'>,
): Promise<TokenPair | undefined> {
  if (challenge.origin !== 'login' || challenge.consumedAt === null) return undefined;
  const issued = await findIssued(deps, derived);
  if (!issued) return undefined;
  const { refreshToken, token } = issued;
  if (token.tenantId !== challenge.tenantId || token.staffId !== challenge.staffId) {
    return undefined;
  }
  if (!(await mayReissue(deps, token, challenge.consumedAt))) return undefined;
  await recordReissue(deps, ctx, token, 'login');
  const { tenantId, userId, sessionVersion, sessionId, expiresAt, rememberMe } = token;
  onIssued?.({ refreshToken, expiresAt, rememberMe });
  const sid = sessionId ?? token.familyId ?? token.id;
  const subject = { tenantId, userId, sessionVersion, sid, degraded: sessionId === null };
  return toTokenPair(deps, subject, { refreshToken, refreshExpiresAt: expiresAt, sessionId });
}

async function findAsked(deps: SignInDeps, challengeId: string): Promise<Challenge> {
  const id = fromChallengeId(deps.keys, challengeId);
  const challenge = id === null ? undefined : await findChallenge(deps.db, id);
  if (!challenge) throw new AppError('CHALLENGE_NOT_FOUND');
  return challenge;
}

/**
 * Answers a request whose challenge could not be consumed: returns the lost answer again, or throws
 * the reason.
 * @throws AppError CHALLENGE_NOT_FOUND, CHALLENGE_NOT_VERIFIED if the challenge is still open, or
 * ENROLMENT_REQUIRED
 */
async function answerLate(deps: SignInDeps, ctx: RequestContext, asked: Asked): Promise<TokenPair> {
  const { id, challengeId } = asked;
  if (await mustStillEnrol(deps.db, { id, now: deps.clock.now() })) {
    throw enrolmentRequired(challengeId);
  }
  const challenge = await findChallenge(deps.db, id);
  const again = challenge && (await answerAgain(deps, ctx, challenge, asked));
  if (again) return again;
  const waiting =
    challenge?.origin === 'login' &&
    challenge.verifiedAt === null &&
    challenge.revokedAt === null &&
    challenge.expiresAt > deps.clock.now();
  throw new AppError(waiting ? 'CHALLENGE_NOT_VERIFIED' : 'CHALLENGE_NOT_FOUND');
}

/** What a session gets from the request that finishes its login. */
type FromRequest = Pick<NewSession, 'maxSessions' | 'deviceHashes' | 'refreshToken'>;

/** Returns the provider that proved the person whose login was challenged; null for a password. */
const providerOf = (challenge: Challenge): SessionProvider | null =>
  challenge.ssoConnectionId === null
    ? null
    : {
        connectionId: challenge.ssoConnectionId,
        sid: challenge.providerSid,
        amr: challenge.providerAmr ?? [],
      };

/** Opens the session of a login whose challenge was consumed in this transaction. */
async function enter(
  deps: SignInDeps,
  tx: Tx,
  ctx: RequestContext,
  mode: SessionMode,
  { challenge, more }: { challenge: Challenge; more: FromRequest },
) {
  const { tenantId, userId, staffId, sessionVersion, rememberMe } = challenge;
  const verdict = recallVerdict(challenge);
  const { score, reasons } = verdict.risk;
  const owner = { tenantId, userId, staffId };
  await settle(deps, tx, ctx, verdict, 'passed');
  await noteProofAtLogin(tx, tenantId, staffId);
  const provider = providerOf(challenge);
  // A provider's word is no reason to forget the guesses at the person's password.
  if (!provider) {
    const email = (await readProfile(tx, tenantId, userId))?.email ?? '';
    await forgetGuesses(deps, tx, email);
  }
  const opened = { ...owner, sessionVersion: sessionVersion ?? -1 };
  const amr = amrOf(challenge.verifiedMethod, provider?.amr ?? null);
  const how = { rememberMe, score, reasons, stepUp: true, amr, provider };
  const tokens = await openSession(deps, tx, ctx, mode, { ...opened, ...how, ...more });
  return { owner, tokens, verdict };
}

/**
 * Finishes a login whose challenge was verified, without asking for the password again: it was
 * checked when the challenge was made. A challenge lets one login through, once. A retry with the
 * same idempotency key gets a lost answer again.
 * @throws AppError CHALLENGE_NOT_FOUND, CHALLENGE_NOT_VERIFIED if the challenge is still open,
 * ENROLMENT_REQUIRED, IP_BLOCKED, IP_RULES_UNAVAILABLE; INVALID_CREDENTIALS if the provider's
 * connection was deleted in the meantime
 */
export async function completeLogin(
  deps: SignInDeps,
  ctx: RequestContext,
  input: CompleteLoginInput,
): Promise<TokenPair> {
  const asked = await findAsked(deps, input.challengeId);
  await assertAddress(deps, ctx, asked);
  const { id } = asked;
  const whose = { userId: asked.userId, userAgent: ctx.userAgent };
  const device = await settleDevice(deps, input.device, whose);
  input.onDevice?.(device.cookie);
  const { maxSessions } = await findPolicyInForce(deps, asked.tenantId, { policy: null });
  const { idempotencyKey: key } = input;
  const derived = key === undefined ? [] : deriveFirstTokens(deps.keys, id, key);
  const [refreshToken] = derived;
  const done = await withSessionTable(deps, (mode) =>
    inTenant(deps.db, asked.tenantId, async (tx) => {
      await holdProvider(tx, asked.tenantId, asked.ssoConnectionId);
      // Lock the staff row before the challenge: every path locks in this order, so that none
      // deadlock.
      await lockStaff(tx, asked.tenantId, asked.staffId);
      const challenge = await consumeLoginChallenge(tx, { id, now: deps.clock.now() });
      const more = { maxSessions, deviceHashes: device.learned, refreshToken };
      return challenge && enter(deps, tx, ctx, mode, { challenge, more });
    }),
  );
  if (!done) return answerLate(deps, ctx, { ...input, id, derived });
  const { refreshToken: first, refreshExpiresAt } = done.tokens;
  const { rememberMe } = asked;
  input.onIssued?.({ refreshToken: first, expiresAt: new Date(refreshExpiresAt), rememberMe });
  await noticeNewDevice(deps, ctx, done.owner, input.device.compared);
  const { sessionId } = done.tokens;
  const deviceHashes = device.learned;
  await learnFromSuccess(deps, ctx, {
    ...done.owner,
    sessionId,
    deviceHashes,
    renewed: input.device.renewed,
  });
  await conclude(deps, ctx, done.verdict, 'passed');
  deps.metrics.logins.inc({ outcome: 'succeeded' });
  return done.tokens;
}
