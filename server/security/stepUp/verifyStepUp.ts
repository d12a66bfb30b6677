import { recordAudit } from '../../audit';
import type { AuditEvent } from '../../audit';
import type { Principal, RequestContext } from '../../context';
import type { Db, Tx } from '../../db';
import type { StepUpPurpose } from '../../db/schema';
import { inTenant } from '../../db/tenantScope';
import type { SecurityDeps } from '../deps';
import { AppError } from '../../errors';
import type { ErrorCode } from '../../errors';
import { assertAddress } from '../../ipRules';
import { retryAfter } from '../../http/retryAfter';
import { clearAttempts, countFailures, reserveTry, whenFree } from '../risk/attemptStore';
import { STEP_UP_FAILURES, STEP_UP_TRIES, attemptSubject } from '../risk/attempts';
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
import type { Answer, FailureReason, Proof } from './proofs';
import type { StepUpMethod } from './stepUpMethods';
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
  SecurityDeps,
  | 'db'
  | 'keys'
  | 'clock'
  | 'random'
  | 'logger'
  | 'config'
  | 'mail'
  | 'metrics'
  | 'riskPolicies'
  | 'ipRules'
  | 'ipRefusals'
>;

/**
 * The audit reason and the error code for a wrong answer that none of the person's methods accepts.
 */
const WRONG = {
  code: { reason: 'wrong_code', code: 'INVALID_CODE' },
  passkey: { reason: 'wrong_passkey', code: 'INVALID_PASSKEY' },
} as const satisfies Record<Answer['kind'], { reason: FailureReason; code: ErrorCode }>;

type Failure = Extract<AuditEvent, { action: 'STEP_UP_FAILED' }>['details']['reason'];

/**
 * Returns the counters of a person's codes: one for their membership, and one across tenants,
 * because otherwise each tenant would add another budget.
 */
const subjectsOf = ({ keys }: Pick<SecurityDeps, 'keys'>, challenge: Challenge): string[] => [
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

/** @param freeAt null if waiting does not help */
function tooManyCodes(now: Date, freeAt: Date | null): AppError {
  if (freeAt) return new AppError('TOO_MANY_ATTEMPTS', { headers: retryAfter(now, freeAt) });
  const detail =
    'Too many wrong codes in a row. Ask an operator of this service to unlock your account.';
  return new AppError('TOO_MANY_ATTEMPTS', { detail });
}

/**
 * @returns how many tries the challenge has left after this one, or an error if none can be taken
 */
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

/** Chooses the first method that recognises the answer, among those that this person can use. */
function chooseProof(
  challenge: Challenge,
  answer: Answer,
  methods: readonly StepUpMethod[],
): Proof | undefined {
  return PROOFS.find((proof) => methods.includes(proof.method) && proof.fits(answer, challenge));
}

/** The result of an answer that was checked. */
type Settlement = { at: Date; method: StepUpMethod } | FailureReason;

/** Checks the answer, consumes the proof and marks the challenge as verified. */
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
    // The error rolls the transaction back, so that no code is lost to a challenge that has ended.
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

/**
 * Finds the result again if the same answer verified this challenge within the last minute; it
 * takes no try.
 */
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
 * Handles one answer in one transaction, one at a time for each person. If the same right code is
 * sent fifty times at once, the first is evaluated and the others find its result.
 * @returns the result; an error is returned and not thrown, so that the taken try and its audit
 * event are committed
 */
async function answerChallenge(
  deps: VerifyDeps,
  tx: Tx,
  ctx: RequestContext,
  chosen: Challenge,
  { answer, methods }: { answer: Answer; methods: readonly StepUpMethod[] },
): Promise<Exclude<Settlement, string> | AppError> {
  // Lock first, as everything that ends proofs does. The proof is then either ended before this, or
  // its verified challenge is found and ended afterwards.
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
  // Another of the person's authenticators was checked, so the try stays taken: guesses at that one
  // must count.
  if (settled === 'factor_unreadable') return unreadableFactor();
  return new AppError(wrong.code, { extra: { attemptsLeft } });
}

/** @returns the begun login that the client answers, if any */
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
 * Answers a challenge. Tries are taken before the answer is checked: five for each challenge, and a
 * budget for each staff member across challenges (RFC 4226 7.3). The proof is consumed in one
 * statement. The same right answer to the same challenge gets the same result for a minute, so a
 * double click or a lost answer is not a failure.
 * @throws AppError CHALLENGE_NOT_FOUND, CHALLENGE_EXHAUSTED, TOO_MANY_ATTEMPTS, NO_FACTOR,
 * INVALID_CODE, INVALID_PASSKEY, KEY_UNAVAILABLE; IP_BLOCKED, IP_RULES_UNAVAILABLE; UNAUTHENTICATED
 * or CHALLENGE_ID_REQUIRED if the challenge cannot be determined
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
  await assertAddress(deps, ctx, challenge);
  const methods = await listAllowedMethods(deps, deps.db, challenge);
  const open = challenge.verifiedAt === null;
  if (open && methods.length === 0) throw new AppError('NO_FACTOR');
  const outcome = await inTenant(deps.db, challenge.tenantId, (tx) =>
    answerChallenge(deps, tx, ctx, challenge, { answer, methods }),
  );
  deps.mail.wake();
  if (outcome instanceof AppError) throw outcome;
  const { at: verifiedAt, method } = outcome;
  return { verified: true, purpose: challenge.purpose, method, verifiedAt };
}
