import { recordAudit } from '../../audit';
import type { AuditEvent } from '../../audit';
import type { RequestContext } from '../../context';
import type { Db, Tx } from '../../db';
import { inTenant } from '../../db/tenantScope';
import type { SecurityDeps } from '../deps';
import { AppError } from '../../errors';
import { retryAfter } from '../../http/retryAfter';
import { hashAnswer, hashesOfAnswer } from './answerHash';
import { clearAttempts, countFailures, reserveTry, whenFree } from '../risk/attemptStore';
import type { AttemptLimits } from '../risk/attemptStore';
import { BEGUN_LIMITS, attemptSubject, begunAccountSubject } from '../risk/attempts';
import { BEGUN_FOR_MS, readBegunLogin } from './begunLogin';
import type { BegunLogin } from './begunLogin';
import { findShownFactorOwner, insertShownFactor } from './begunLoginStore';
import { MAX_ATTEMPTS, findRepeated } from './challengeStore';
import type { Challenge } from './challengeStore';
import { lockFactors } from './factorStore';
import { EVERYBODY, judgeAddress } from '../risk/judgeAddress';
import { noticeBegunCodes, noticeRecoveryCode } from './noticeProofs';
import { PROOFS } from './proofs';
import type { Answer, Proof } from './proofs';
import { unreadableFactor } from './totp';

type BegunDeps = Pick<
  SecurityDeps,
  'db' | 'keys' | 'clock' | 'random' | 'logger' | 'config' | 'mail' | 'metrics' | 'riskPolicies'
>;
type Failure = Extract<AuditEvent, { action: 'STEP_UP_FAILED' }>['details']['reason'];

/**
 * The same list for every e-mail address. Codes are never mailed here, because anybody could fill a
 * mailbox with them.
 */
export const BEGUN_METHODS = ['totp', 'recovery_code'] as const;

/** The greatest value of the column. */
const UNLIMITED = 2 ** 31 - 1;

/**
 * The counters of one answer, in the order in which they are taken: of the challenge, of the
 * address for this account, of the account.
 */
function countersOf(deps: BegunDeps, begun: BegunLogin, address: string) {
  const count = (subject: string, limits: AttemptLimits) => ({
    key: { scope: 'step_up' as const, subject },
    limits,
  });
  const subjectOf = (kind: string, value: string) => attemptSubject(deps.keys, kind, value);
  const five = { failures: MAX_ATTEMPTS, tries: MAX_ATTEMPTS };
  return {
    challenge: count(subjectOf('begun-challenge', begun.id), five),
    // This limit stops one stranger from using up the tries that others may need.
    here: count(subjectOf('begun-address', `${begun.subject}/${address}`), {
      ...five,
      tries: UNLIMITED,
    }),
    account: count(begunAccountSubject(deps.keys, begun.subject), BEGUN_LIMITS),
  };
}

type Counters = ReturnType<typeof countersOf>;

/**
 * Records a wrong answer, with the same rows whether the account exists or not.
 * @returns the number of wrong answers to this challenge
 */
async function recordFailure(
  deps: BegunDeps,
  ctx: RequestContext,
  { begun, counters, address }: { begun: BegunLogin; counters: Counters; address: string },
  reason: Failure,
): Promise<number> {
  const { challenge, here, account } = counters;
  // A refused try was not evaluated, so it must not use up what others may need.
  const looked = reason === 'account_budget' ? [] : [challenge.key, here.key, account.key];
  const failures = await deps.db.transaction(async (tx) => {
    const [first] = await countFailures(
      tx,
      [
        ...looked,
        { scope: 'ip', subject: address, account: begun.subject },
        { scope: 'global', subject: EVERYBODY },
      ],
      deps.clock.now(),
    );
    await recordAudit(tx, ctx, {
      action: 'STEP_UP_FAILED',
      outcome: 'failure',
      tenantId: begun.real ? begun.tenantId : null,
      subject: `account:${begun.subject}`,
      details: { purpose: 'security_settings', origin: 'login', reason },
    });
    return first?.failures ?? MAX_ATTEMPTS;
  });
  noticeBegunCodes(deps, ctx, begun);
  return failures;
}

async function takeTries(
  deps: BegunDeps,
  ctx: RequestContext,
  asked: { begun: BegunLogin; counters: Counters; address: string },
): Promise<void> {
  const now = deps.clock.now();
  const { challenge, here, account } = asked.counters;
  if ((await reserveTry(deps.db, challenge.key, challenge.limits, now)) === undefined) {
    throw new AppError('CHALLENGE_EXHAUSTED', { detail: 'Begin the login again.' });
  }
  for (const { key, limits } of [here, account]) {
    if ((await reserveTry(deps.db, key, limits, now)) !== undefined) continue;
    await recordFailure(deps, ctx, asked, 'account_budget');
    const freeAt = await whenFree(deps.db, key, limits, now);
    if (freeAt) throw new AppError('TOO_MANY_ATTEMPTS', { headers: retryAfter(now, freeAt) });
    const detail =
      'Too many wrong codes: no login of this account can begin with the second factor. Sign in from a known device or network, or ask an operator of this service to unlock it.';
    throw new AppError('TOO_MANY_ATTEMPTS', { detail });
  }
}

async function giveTriesBack(tx: Db | Tx, { here, account }: Counters): Promise<void> {
  for (const { key } of [here, account]) await clearAttempts(tx, [key.scope], key.subject);
}

/**
 * Finds out whether the same code was right for this login within the last minute: a double click
 * is not a failure.
 */
async function findRepeat(deps: BegunDeps, { id }: BegunLogin, answer: Answer) {
  const answerHashes = hashesOfAnswer(deps.keys, id, answer);
  const found = await findRepeated(deps.db, { id, answerHashes, now: deps.clock.now() });
  return found?.verifiedAt && { verifiedAt: found.verifiedAt };
}

/** Consumes the factor and stores that it was shown, or does neither. */
async function settle(
  deps: BegunDeps,
  ctx: RequestContext,
  asked: { begun: BegunLogin; counters: Counters },
  { proof, answer }: { proof: Proof; answer: Answer },
): Promise<{ verifiedAt: Date } | Failure> {
  const { begun, counters } = asked;
  const { id, tenantId, userId, staffId } = begun;
  const whose = { id, tenantId, userId, staffId };
  const spend = await proof.check(deps, whose as Challenge, answer);
  if (typeof spend === 'string') return spend;
  // Only after the code was right, so that the time of reading the policy reveals nothing to a
  // stranger.
  const { policy } = await deps.riskPolicies.read(begun.tenantId);
  if (!(policy.methods as readonly string[]).includes(proof.method)) return 'wrong_code';
  const now = deps.clock.now();
  return inTenant(deps.db, begun.tenantId, async (tx) => {
    await lockFactors(tx, begun.tenantId, begun.staffId);
    const spent = await spend(tx, ctx);
    if (spent !== true) return spent === false ? 'code_already_used' : spent;
    const { method } = proof;
    const createdAt = new Date(begun.expiresAt.getTime() - BEGUN_FOR_MS);
    const answerHash = hashAnswer(deps.keys, begun.id, answer);
    if (!(await insertShownFactor(tx, begun, { method, answerHash, now, createdAt }))) {
      throw new AppError('CHALLENGE_NOT_FOUND');
    }
    await giveTriesBack(tx, counters);
    await noticeRecoveryCode(deps, tx, ctx, { ...whose, origin: 'session' }, method);
    const purpose = 'security_settings' as const;
    await recordAudit(tx, ctx, {
      action: 'STEP_UP_VERIFIED',
      outcome: 'success',
      tenantId: begun.tenantId,
      actor: begun.staffId,
      subject: `challenge:${begun.id}`,
      details: { purpose, origin: 'login', method },
    });
    return { verifiedAt: now };
  });
}

/**
 * Answers a login that begins with the second factor. Until the code is right, everything is the
 * same for an account that exists and one that does not: the tries, the errors, the rows and the
 * work.
 * @throws AppError INVALID_CODE, CHALLENGE_EXHAUSTED, CHALLENGE_NOT_FOUND, TOO_MANY_ATTEMPTS
 */
export async function verifyBegunLogin(
  deps: BegunDeps,
  ctx: RequestContext,
  begun: BegunLogin,
  answer: Answer,
) {
  const now = deps.clock.now();
  if (begun.expiresAt <= now) throw new AppError('CHALLENGE_NOT_FOUND');
  const { address, refusedUntil } = await judgeAddress(deps, ctx);
  if (refusedUntil) {
    throw new AppError('TOO_MANY_ATTEMPTS', { headers: retryAfter(now, refusedUntil) });
  }
  const asked = { begun, address, counters: countersOf(deps, begun, address) };
  const methods: readonly string[] = BEGUN_METHODS;
  const proof = PROOFS.find(
    (one) => methods.includes(one.method) && one.fits(answer, NOTHING_MAILED),
  );
  const method = proof?.method ?? 'totp';
  const about = { verified: true as const, purpose: 'security_settings' as const, method };
  const before = await findRepeat(deps, begun, answer);
  if (before) return { ...about, ...before };
  await takeTries(deps, ctx, asked);
  const settled = proof ? await settle(deps, ctx, asked, { proof, answer }) : 'wrong_code';
  deps.mail.wake();
  if (settled === 'factor_unreadable') throw unreadableFactor();
  if (typeof settled !== 'string') return { ...about, ...settled };
  // If the code was sent twice at once, the other request may have been faster.
  const beside = await findRepeat(deps, begun, answer);
  if (beside) {
    await giveTriesBack(deps.db, asked.counters);
    return { ...about, ...beside };
  }
  const failures = await recordFailure(deps, ctx, asked, settled);
  const attemptsLeft = Math.max(0, MAX_ATTEMPTS - failures);
  throw new AppError('INVALID_CODE', { extra: { attemptsLeft } });
}

/** The methods used here do not need a challenge's row to recognise their answers. */
const NOTHING_MAILED = {} as Challenge;

/**
 * @returns the id of the user whose second factor was shown, if this is a begun login that is
 * verified, fresh and unused
 */
export async function findShownFactor(
  deps: Pick<BegunDeps, 'db' | 'keys' | 'clock'>,
  challengeId: string,
): Promise<string | undefined> {
  const begun = readBegunLogin(deps.keys, challengeId);
  return begun && findShownFactorOwner(deps.db, begun.id, deps.clock.now());
}
