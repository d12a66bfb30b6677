import { recordAudit } from '../audit';
import type { AuditEvent } from '../audit';
import type { Principal, RequestContext } from '../context';
import type { Db, Tx } from '../db';
import type { StepUpPurpose } from '../db/schema';
import type { Deps } from '../deps';
import { AppError } from '../errors';
import type { ErrorCode } from '../errors';
import { retryAfter } from '../retryAfter';
import { clearAttempts, countFailures, reserveTry, whenFree } from './attemptStore';
import { STEP_UP_FAILURES, STEP_UP_TRIES, attemptSubject } from './attempts';
import { hashAnswer, hashesOfAnswer } from './answerHash';
import { readBegunLogin } from './begunLogin';
import type { BegunLogin } from './begunLogin';
import {
  MAX_ATTEMPTS,
  findChallenge,
  findRepeated,
  markVerified,
  takeAttempt,
} from './challengeStore';
import type { Challenge } from './challengeStore';
import { lockFactors } from './factorStore';
import { findAnswerable } from './findAnswerable';
import type { WhichChallenge } from './findAnswerable';
import { noticeRecoveryCode, noticeWrongCode } from './noticeProofs';
import { PROOFS, listAllowedMethods } from './proofs';
import type { Answer, FailureReason, Proof, StepUpMethod } from './proofs';
import { unreadableFactor } from './totp';
import { verifyBegunLogin } from './verifyBegunLogin';

export interface StepUpInput extends WhichChallenge {
  answer: Answer;
}

export interface StepUpResult {
  verified: true;
  purpose: StepUpPurpose;
  method: StepUpMethod;
  verifiedAt: Date;
}

type VerifyDeps = Pick<
  Deps,
  'db' | 'keys' | 'clock' | 'random' | 'logger' | 'config' | 'mail' | 'metrics' | 'riskPolicies'
>;

/** What is said of an answer that proves nothing: in the log where none of a person's methods takes it, and on the wire. */
const WRONG = {
  code: { reason: 'wrong_code', code: 'INVALID_CODE' },
  passkey: { reason: 'wrong_passkey', code: 'INVALID_PASSKEY' },
} as const satisfies Record<Answer['kind'], { reason: FailureReason; code: ErrorCode }>;

type Failure = Extract<AuditEvent, { action: 'STEP_UP_FAILED' }>['details']['reason'];

/** A person's codes are counted for their membership, and across tenants: each tenant alone would give another budget. */
const subjectsOf = ({ keys }: Pick<Deps, 'keys'>, challenge: Challenge): string[] => [
  attemptSubject(keys, 'staff', challenge.staffId),
  attemptSubject(keys, 'person', challenge.userId),
];

async function recordFailure(
  deps: VerifyDeps,
  tx: Tx,
  ctx: RequestContext,
  challenge: Challenge,
  reason: Failure,
): Promise<void> {
  const counted = subjectsOf(deps, challenge).map((subject) => ({
    scope: 'step_up' as const,
    subject,
  }));
  await countFailures(tx, counted, deps.clock.now());
  await recordAudit(tx, ctx, {
    action: 'STEP_UP_FAILED',
    outcome: 'failure',
    tenantId: challenge.tenantId,
    actor: challenge.staffId,
    sessionId: challenge.sessionId,
    subject: `challenge:${challenge.id}`,
    details: { purpose: challenge.purpose, origin: challenge.origin, reason },
  });
  await noticeWrongCode(deps, tx, ctx, challenge);
}

/** @param freeAt null if no time helps */
function tooManyCodes(now: Date, freeAt: Date | null): AppError {
  if (freeAt) return new AppError('TOO_MANY_ATTEMPTS', { headers: retryAfter(now, freeAt) });
  const detail = 'Too many wrong codes in a row: ask an administrator to unlock you.';
  return new AppError('TOO_MANY_ATTEMPTS', { detail });
}

/** @returns how many tries the challenge has left, this one taken off, or why there is none to take */
async function takeTry(
  deps: VerifyDeps,
  tx: Tx,
  ctx: RequestContext,
  challenge: Challenge,
): Promise<number | AppError> {
  const now = deps.clock.now();
  const attempts = await takeAttempt(tx, challenge.id, now);
  if (attempts === undefined) {
    const { verifiedAt, revokedAt } = challenge;
    const waiting = verifiedAt === null && revokedAt === null;
    const exhausted = waiting && challenge.attempts >= MAX_ATTEMPTS;
    return new AppError(exhausted ? 'CHALLENGE_EXHAUSTED' : 'CHALLENGE_NOT_FOUND');
  }
  const limits = { failures: STEP_UP_FAILURES, tries: STEP_UP_TRIES };
  for (const subject of subjectsOf(deps, challenge)) {
    const key = { scope: 'step_up' as const, subject };
    if ((await reserveTry(tx, key, limits, now)) !== undefined) continue;
    await recordFailure(deps, tx, ctx, challenge, 'account_budget');
    return tooManyCodes(now, await whenFree(tx, key, limits, now));
  }
  return MAX_ATTEMPTS - attempts;
}

/** The first proof that the answer looks like, among those that this person can give. */
function chooseProof(
  challenge: Challenge,
  answer: Answer,
  methods: readonly StepUpMethod[],
): Proof | undefined {
  return PROOFS.find((proof) => methods.includes(proof.method) && proof.fits(answer, challenge));
}

/** What came of an answer that was looked at. */
type Settlement = { at: Date; method: StepUpMethod } | FailureReason;

/** Looks at the answer, spends the proof and marks the challenge. */
async function settle(
  deps: VerifyDeps,
  tx: Tx,
  ctx: RequestContext,
  challenge: Challenge,
  { proof, answer }: { proof: Proof; answer: Answer },
): Promise<Settlement> {
  const spend = await proof.check({ ...deps, db: tx }, challenge, answer);
  if (typeof spend === 'string') return spend;
  const spent = await spend(tx, ctx);
  if (spent !== true) return spent === false ? 'code_already_used' : spent;
  const { method } = proof;
  const now = deps.clock.now();
  const answerHash = hashAnswer(deps.keys, challenge.id, answer);
  if (!(await markVerified(tx, challenge.id, { method, answerHash, now }))) {
    // Rolls back: a code is not lost to a challenge that has ended.
    throw new AppError('CHALLENGE_NOT_FOUND');
  }
  for (const subject of subjectsOf(deps, challenge)) await clearAttempts(tx, ['step_up'], subject);
  await recordAudit(tx, ctx, {
    action: 'STEP_UP_VERIFIED',
    outcome: 'success',
    tenantId: challenge.tenantId,
    actor: challenge.staffId,
    sessionId: challenge.sessionId,
    subject: `challenge:${challenge.id}`,
    details: {
      purpose: challenge.purpose,
      origin: challenge.origin,
      method,
      ...(challenge.act === null ? {} : { act: challenge.act }),
    },
  });
  await noticeRecoveryCode(deps, tx, ctx, challenge, method);
  return { at: now, method };
}

/** The same answer that verified this challenge a moment ago says the same again, and takes nothing. */
async function findRepeat(
  deps: VerifyDeps,
  db: Db,
  challenge: Challenge,
  answer: Answer,
): Promise<Settlement | undefined> {
  if (challenge.verifiedAt === null) return undefined;
  const answerHashes = hashesOfAnswer(deps.keys, challenge.id, answer);
  const query = { id: challenge.id, answerHashes, now: deps.clock.now() };
  const found = await findRepeated(db, query);
  const method = PROOFS.find((proof) => proof.method === found?.verifiedMethod)?.method;
  return found?.verifiedAt && method ? { at: found.verifiedAt, method } : undefined;
}

/**
 * Everything about one answer happens in one transaction, one answer of a person at a time: of the same right code sent
 * fifty times at once, the first is evaluated and the others find what came of it.
 * @returns what came of it; an error is returned, not thrown, so that the try and the event that it took stay
 */
async function answerChallenge(
  deps: VerifyDeps,
  tx: Tx,
  ctx: RequestContext,
  chosen: Challenge,
  { answer, methods }: { answer: Answer; methods: readonly StepUpMethod[] },
): Promise<Exclude<Settlement, string> | AppError> {
  // First, as whatever ends the proof does: it is either ended before, or sees the challenge verified and ends that.
  await lockFactors(tx, chosen.tenantId, chosen.staffId);
  const challenge = (await findChallenge(tx, chosen.id)) ?? chosen;
  const repeat = await findRepeat(deps, tx, challenge, answer);
  if (repeat && typeof repeat !== 'string') return repeat;
  const proof = chooseProof(challenge, answer, methods);
  await proof?.assertJudgeable?.({ ...deps, db: tx }, challenge);
  const attemptsLeft = await takeTry(deps, tx, ctx, challenge);
  if (attemptsLeft instanceof AppError) return attemptsLeft;
  const wrong = WRONG[answer.kind];
  const settled = proof ? await settle(deps, tx, ctx, challenge, { proof, answer }) : wrong.reason;
  if (typeof settled !== 'string') return settled;
  await recordFailure(deps, tx, ctx, challenge, settled);
  // Another of the person's authenticators was tried, so the try stays taken: guesses at it stay counted.
  if (settled === 'factor_unreadable') return unreadableFactor();
  return new AppError(wrong.code, { extra: { attemptsLeft } });
}

/** @returns the login that began with the factor, if the client means one */
function findBegun(
  deps: VerifyDeps,
  principal: Principal | null,
  { challengeId, cookieChallengeId, purpose }: StepUpInput,
): BegunLogin | undefined {
  const named = challengeId ?? (principal ? undefined : cookieChallengeId);
  if (named === undefined || purpose !== 'security_settings') return undefined;
  return readBegunLogin(deps.keys, named);
}

/**
 * Answers a challenge. Tries are taken before the answer is looked at, five a challenge and a budget per staff member
 * across challenges (RFC 4226 7.3); the proof is spent in one statement. The same right answer to the same challenge gets
 * the same result for a minute: a double click, or an answer that was lost, is no failure.
 * @throws AppError CHALLENGE_NOT_FOUND, CHALLENGE_EXHAUSTED, TOO_MANY_ATTEMPTS, NO_FACTOR, INVALID_CODE,
 *   INVALID_PASSKEY, KEY_UNAVAILABLE; UNAUTHENTICATED or CHALLENGE_ID_REQUIRED if nothing says which challenge is meant
 */
export async function verifyStepUp(
  deps: VerifyDeps,
  ctx: RequestContext,
  principal: Principal | null,
  input: StepUpInput,
): Promise<StepUpResult> {
  const { answer } = input;
  const begun = findBegun(deps, principal, input);
  if (begun) return verifyBegunLogin(deps, ctx, begun, answer);
  const isRepeat = ({ id, answerHash }: Challenge) =>
    answerHash !== null && hashesOfAnswer(deps.keys, id, answer).includes(answerHash);
  const challenge = await findAnswerable(deps, principal, input, isRepeat);
  const methods = await listAllowedMethods(deps, deps.db, challenge);
  const open = challenge.verifiedAt === null;
  if (open && methods.length === 0) throw new AppError('NO_FACTOR');
  const outcome = await deps.db.transaction((tx) =>
    answerChallenge(deps, tx, ctx, challenge, { answer, methods }),
  );
  deps.mail.wake();
  if (outcome instanceof AppError) throw outcome;
  const { at: verifiedAt, method } = outcome;
  return { verified: true, purpose: challenge.purpose, method, verifiedAt };
}
