import { recordAudit } from '../audit';
import type { AuditEvent } from '../audit';
import type { Principal, RequestContext } from '../context';
import type { StepUpPurpose } from '../db/schema';
import type { Deps } from '../deps';
import { AppError } from '../errors';
import type { ErrorCode } from '../errors';
import { clearAttempts, countFailures, reserveTry } from './attemptStore';
import { STEP_UP_FAILURES, STEP_UP_TRIES, attemptSubject } from './attempts';
import { MAX_ATTEMPTS, findChallenge, markVerified, takeAttempt } from './challengeStore';
import type { Challenge } from './challengeStore';
import { lockFactors } from './factorStore';
import { findAnswerable } from './findAnswerable';
import type { WhichChallenge } from './findAnswerable';
import { noticeRecoveryCode, noticeWrongCode } from './noticeProofs';
import { PROOFS, listAllowedMethods } from './proofs';
import type { Answer, FailureReason, Proof, StepUpMethod } from './proofs';
import { unreadableFactor } from './totp';

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

async function recordFailure(
  deps: VerifyDeps,
  ctx: RequestContext,
  challenge: Challenge,
  reason: Failure,
): Promise<void> {
  const subject = attemptSubject(deps.keys, 'staff', challenge.staffId);
  await deps.db.transaction(async (tx) => {
    await countFailures(tx, [{ scope: 'step_up', subject }], deps.clock.now());
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
  });
  deps.mail.wake();
}

/** @returns how many tries the challenge has left, this one taken off */
async function takeTry(deps: VerifyDeps, ctx: RequestContext, challenge: Challenge) {
  const now = deps.clock.now();
  const attempts = await takeAttempt(deps.db, challenge.id, now);
  if (attempts === undefined) {
    // Read again: the tries may have gone to others in the meantime.
    const current = (await findChallenge(deps.db, challenge.id)) ?? challenge;
    const { verifiedAt, revokedAt } = current;
    const waiting = verifiedAt === null && revokedAt === null;
    const exhausted = waiting && current.attempts >= MAX_ATTEMPTS;
    throw new AppError(exhausted ? 'CHALLENGE_EXHAUSTED' : 'CHALLENGE_NOT_FOUND');
  }
  const key = {
    scope: 'step_up' as const,
    subject: attemptSubject(deps.keys, 'staff', challenge.staffId),
  };
  const limits = { failures: STEP_UP_FAILURES, tries: STEP_UP_TRIES };
  if ((await reserveTry(deps.db, key, limits, now)) === undefined) {
    await recordFailure(deps, ctx, challenge, 'account_budget');
    throw new AppError('TOO_MANY_ATTEMPTS', { headers: { 'retry-after': '900' } });
  }
  return MAX_ATTEMPTS - attempts;
}

/** What came of an answer that was looked at. */
type Settlement = { at: Date; method: StepUpMethod } | FailureReason;

/** Spends the proof and marks the challenge, or undoes both: a code is not lost to a lost race. */
async function settle(
  deps: VerifyDeps,
  ctx: RequestContext,
  challenge: Challenge,
  { proof, answer }: { proof: Proof; answer: Answer },
): Promise<Settlement> {
  const spend = await proof.check(deps, challenge, answer);
  if (typeof spend === 'string') return spend;
  const { method } = proof;
  const now = deps.clock.now();
  return deps.db.transaction(async (tx) => {
    // First, as whatever ends the proof does: it is either ended before, or sees the challenge verified and ends that.
    await lockFactors(tx, challenge.tenantId, challenge.staffId);
    const spent = await spend(tx, ctx);
    if (spent !== true) return spent === false ? 'code_already_used' : spent;
    if (!(await markVerified(tx, challenge.id, { method, now }))) {
      throw new AppError('CHALLENGE_NOT_FOUND');
    }
    const subject = attemptSubject(deps.keys, 'staff', challenge.staffId);
    await clearAttempts(tx, ['step_up'], subject);
    await recordAudit(tx, ctx, {
      action: 'STEP_UP_VERIFIED',
      outcome: 'success',
      tenantId: challenge.tenantId,
      actor: challenge.staffId,
      sessionId: challenge.sessionId,
      subject: `challenge:${challenge.id}`,
      details: { purpose: challenge.purpose, origin: challenge.origin, method },
    });
    await noticeRecoveryCode(deps, tx, ctx, challenge, method);
    return { at: now, method };
  });
}

/** The first proof that the answer looks like, among those that this person can give. */
function chooseProof(
  challenge: Challenge,
  answer: Answer,
  methods: readonly StepUpMethod[],
): Proof | undefined {
  return PROOFS.find((proof) => methods.includes(proof.method) && proof.fits(answer, challenge));
}

/**
 * Answers a challenge. Tries are taken before the answer is looked at, five a challenge and a budget per staff member
 * across challenges (RFC 4226 7.3); the proof is spent in one statement.
 * @throws AppError CHALLENGE_NOT_FOUND, CHALLENGE_EXHAUSTED, TOO_MANY_ATTEMPTS, NO_FACTOR, INVALID_CODE,
 *   INVALID_PASSKEY, KEY_UNAVAILABLE, UNAUTHENTICATED where nothing says which challenge is meant
 */
export async function verifyStepUp(
  deps: VerifyDeps,
  ctx: RequestContext,
  principal: Principal | null,
  input: StepUpInput,
): Promise<StepUpResult> {
  const challenge = await findAnswerable(deps, ctx, principal, input);
  const methods = await listAllowedMethods(deps, deps.db, challenge);
  if (methods.length === 0) throw new AppError('NO_FACTOR');
  const { answer } = input;
  const proof = chooseProof(challenge, answer, methods);
  await proof?.assertJudgeable?.(deps, challenge);
  const attemptsLeft = await takeTry(deps, ctx, challenge);
  const wrong = WRONG[answer.kind];
  const settled = proof ? await settle(deps, ctx, challenge, { proof, answer }) : wrong.reason;
  if (typeof settled === 'string') {
    await recordFailure(deps, ctx, challenge, settled);
    // Another of the person's authenticators was tried, so the try stays taken: guesses at it stay counted.
    if (settled === 'factor_unreadable') throw unreadableFactor();
    throw new AppError(wrong.code, { extra: { attemptsLeft } });
  }
  const { at: verifiedAt, method } = settled;
  deps.mail.wake();
  return { verified: true, purpose: challenge.purpose, method, verifiedAt };
}
