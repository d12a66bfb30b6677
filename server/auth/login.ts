import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import type { RiskOutcome } from '../db/schema';
import { inTenant } from '../db/tenantScope';
import type { AuthDeps } from './deps';
import { AppError } from '../errors';
import { assertAddress } from '../ipRules';
import {
  conclude,
  consumeLoginChallenge,
  forgetGuesses,
  fromChallengeId,
  judgeLogin,
  learnFromSuccess,
  mustStillEnrol,
  offerChallenge,
  readBegunLogin,
  settle,
  settleDevice,
  stepUpRequired,
} from '../security';
import type { Challenge, DeviceIdentity, LoginVerdict } from '../security';
import { amrOf } from './authMethods';
import { listOpenMemberships, noteProofAtLogin, replacePasswordHash } from './accountStore';
import type { Membership, PasswordAccount } from './accountStore';
import { noticeNewDevice } from './noticeNewDevice';
import { offerTenants } from './offerTenants';
import { openSession } from './openSession';
import type { TokenPair } from './openSession';
import { lockStaff } from './refreshTokenStore';
import { shutOut } from './shutOut';
import { approachLogin, describeApplicant } from './approachLogin';
import { verifyCredentials } from './verifyCredentials';
import { withSessionTable } from './withSessionTable';
import type { SessionMode } from './withSessionTable';

export type LoginDeps = Pick<
  AuthDeps,
  | 'db'
  | 'pool'
  | 'keys'
  | 'clock'
  | 'random'
  | 'config'
  | 'passwords'
  | 'lookUps'
  | 'metrics'
  | 'logger'
  | 'schemaGuard'
  | 'riskFacts'
  | 'riskPolicies'
  | 'riskBreaker'
  | 'riskDecisions'
  | 'accessTokens'
  | 'geo'
  | 'ipLists'
  | 'mail'
  | 'ipRules'
  | 'ipRefusals'
>;

export interface LoginInput {
  email: string;
  password: string;
  /** Slug or id of the tenant. */
  tenant?: string | undefined;
  rememberMe: boolean;
  /**
   * From the body or the cookie: the challenge of an earlier 428, which may have been verified
   * since.
   */
  challengeId?: string | undefined;
  device: DeviceIdentity;
  /** Called with the device cookie that the browser should keep. */
  onDevice?: (cookie: string) => void;
}

/**
 * Builds the answer to a login that can only go on once a factor has been enrolled with its
 * challenge.
 */
export const enrolmentRequired = (challengeId: string | undefined) =>
  new AppError('ENROLMENT_REQUIRED', {
    detail:
      'Enrol a second factor at /api/security/totp/enroll or /api/security/passkeys/register/start with this challengeId, then repeat the request.',
    extra: { mustEnrol: true, challengeId },
  });

/** A person who has shown the right password, with the verdict on what they have to show. */
interface Candidate {
  account: PasswordAccount;
  membership: Membership;
  verdict: LoginVerdict;
  input: LoginInput;
}

async function block(deps: LoginDeps, ctx: RequestContext, { verdict }: Candidate): Promise<never> {
  await shutOut(deps, ctx, verdict);
  deps.metrics.logins.inc({ outcome: 'blocked' });
  throw new AppError('LOGIN_BLOCKED', { extra: { reason: 'anomaly_score' } });
}

async function demandStepUp(deps: LoginDeps, ctx: RequestContext, who: Candidate): Promise<never> {
  const { account, membership, verdict, input } = who;
  const mustEnrol = verdict.kind === 'prove' && verdict.mustEnrol;
  if (mustEnrol) await assertEnrolled(deps, who);
  const { tenantId, staffId } = membership;
  const { score, reasons } = verdict.risk;
  const purpose = 'security_settings' as const;
  const offer = await inTenant(deps.db, tenantId, async (tx) => {
    await settle(deps, tx, ctx, verdict, 'challenged');
    return offerChallenge(deps, tx, ctx, {
      tenantId,
      userId: account.userId,
      staffId,
      sessionId: null,
      sessionVersion: membership.sessionVersion,
      origin: 'login',
      purpose,
      score,
      reasons,
      rememberMe: input.rememberMe,
      mustEnrol,
      browserHash: input.device.browserHash,
    });
  });
  await conclude(deps, ctx, verdict, 'challenged');
  deps.metrics.logins.inc({ outcome: 'step_up' });
  throw stepUpRequired(purpose, offer, { score, reasons });
}

/**
 * Throws if the proof was given but the factor is not enrolled yet: another challenge would only
 * cost another mail.
 * @throws AppError ENROLMENT_REQUIRED
 */
async function assertEnrolled(deps: LoginDeps, { membership, input }: Candidate): Promise<void> {
  const id = input.challengeId && fromChallengeId(deps.keys, input.challengeId);
  if (!id) return;
  const query = { id, staffId: membership.staffId, now: deps.clock.now() };
  if (await mustStillEnrol(deps.db, query)) throw enrolmentRequired(input.challengeId);
}

/**
 * Consumes the verified challenge, if this person has one. It lets one login through, once.
 * @returns the challenge; undefined if there is none
 */
async function passByChallenge(
  deps: LoginDeps,
  tx: Tx,
  who: Candidate,
): Promise<Challenge | undefined> {
  const { challengeId } = who.input;
  if (challengeId === undefined) return undefined;
  const begun = readBegunLogin(deps.keys, challengeId);
  // A login that began with the factor was not challenged because of this score, so it cannot lift
  // a block.
  if (begun && who.verdict.kind === 'block') return undefined;
  const id = begun?.id ?? fromChallengeId(deps.keys, challengeId);
  if (id === null) return undefined;
  const { staffId } = who.membership;
  const query = { id, staffId, passwordShown: true as const, now: deps.clock.now() };
  return consumeLoginChallenge(tx, query);
}

/** Names the reason why a login was let in: no finding, a proof, or a policy in monitor mode. */
function outcomeOf({ risk, kind }: LoginVerdict, stepUp: boolean): RiskOutcome {
  if (risk.decision === 'allow' && kind === 'allow') return 'allowed';
  return stepUp ? 'passed' : 'monitored';
}

interface Entry {
  tokens: TokenPair;
  outcome: RiskOutcome;
  stepUp: boolean;
}

async function rehash(
  tx: Tx,
  ctx: RequestContext,
  { account, membership, newHash }: Candidate & { newHash: string | undefined },
): Promise<void> {
  if (newHash === undefined) return;
  const hashes = { from: account.passwordHash, to: newHash };
  if (!(await replacePasswordHash(tx, account.userId, hashes))) return;
  await recordAudit(tx, ctx, {
    action: 'PASSWORD_REHASHED',
    outcome: 'success',
    tenantId: membership.tenantId,
    actor: 'system',
    subject: `user:${account.userId}`,
    details: {},
  });
}

/** @returns the tokens, or undefined if this login is not let through */
async function enter(
  deps: LoginDeps,
  tx: Tx,
  ctx: RequestContext,
  mode: SessionMode,
  who: Candidate & { newHash: string | undefined },
): Promise<Entry | undefined> {
  const { tenantId, staffId } = who.membership;
  // Lock the staff row before the challenge: every path locks in this order, so that none deadlock.
  // Without a challenge the lock comes late, so that concurrent logins of one person do not wait
  // for each other.
  if (who.input.challengeId !== undefined) await lockStaff(tx, tenantId, staffId);
  // Consume the challenge even if the score alone would do, so that no second login can use it.
  const proof = await passByChallenge(deps, tx, who);
  const stepUp = proof !== undefined;
  if (who.verdict.kind !== 'allow' && !stepUp) return undefined;
  const { account, membership, verdict, input } = who;
  if (stepUp) await noteProofAtLogin(tx, tenantId, staffId);
  const outcome = outcomeOf(verdict, stepUp);
  await settle(deps, tx, ctx, verdict, outcome);
  const tokens = await openSession(deps, tx, ctx, mode, {
    tenantId,
    userId: account.userId,
    staffId,
    sessionVersion: membership.sessionVersion,
    deviceHashes: input.device.learned,
    rememberMe: input.rememberMe,
    score: verdict.risk.score,
    reasons: verdict.risk.reasons,
    stepUp,
    amr: amrOf(proof?.verifiedMethod ?? null),
    maxSessions: verdict.policy.maxSessions,
  });
  // The staff row is locked by now. A password change locks it before the user row; locking them in
  // the opposite order here could deadlock.
  await rehash(tx, ctx, who);
  // After the lock that opening a session takes, because showing a code also locks the staff member
  // before the counters.
  await forgetGuesses(deps, tx, account.email);
  return { tokens, outcome, stepUp };
}

/**
 * Checks the password. Only this part of a login takes a place in the hash queue, and only if the
 * address may have one.
 */
async function checkPassword(deps: LoginDeps, ctx: RequestContext, input: LoginInput) {
  const credentials = { ...input, cookieDeviceHashes: input.device.cookieHashes };
  const approach = await approachLogin(deps, ctx, credentials);
  const describe = () => describeApplicant(credentials, approach);
  return deps.passwords.admit(describe, () => verifyCredentials(deps, ctx, input, approach));
}

/**
 * Signs a person in: checks the credentials, finds the tenant, checks the address against its IP
 * rules, scores, decides, and only then creates anything.
 * @throws AppError INVALID_CREDENTIALS, TENANT_SELECTION_REQUIRED, ENROLMENT_REQUIRED,
 * STEP_UP_REQUIRED, LOGIN_BLOCKED, TOO_MANY_ATTEMPTS, HASHING_BUSY; IP_BLOCKED and
 * IP_RULES_UNAVAILABLE only after the right password
 */
export async function login(
  deps: LoginDeps,
  ctx: RequestContext,
  asked: LoginInput,
): Promise<TokenPair> {
  const { account, recentFailures, accountsTried } = await checkPassword(deps, ctx, asked);
  const { userId } = account;
  const device = await settleDevice(deps, asked.device, { userId, userAgent: ctx.userAgent });
  const input = { ...asked, device };
  input.onDevice?.(device.cookie);
  const fitting = listOpenMemberships(account, input.tenant);
  const membership = fitting.length === 1 ? fitting[0] : undefined;
  if (!membership) return offerTenants(deps, ctx, fitting);
  await assertAddress(deps, ctx, membership);
  const verdict = await judgeLogin(deps, ctx, {
    tenantId: membership.tenantId,
    staffId: membership.staffId,
    mustProveLogin: membership.mustProveLogin,
    deviceHashes: input.device.compared,
    recentFailures,
    accountsTried,
  });
  const { skipped } = verdict.risk;
  const who = { account, membership, verdict, input };
  const newHash = deps.passwords.isOutdated(account.passwordHash)
    ? await deps.passwords.hash(input.password)
    : undefined;
  const entry = await withSessionTable(deps, (mode) =>
    inTenant(deps.db, membership.tenantId, (tx) => enter(deps, tx, ctx, mode, { ...who, newHash })),
  );
  if (!entry) {
    return verdict.kind === 'block' ? block(deps, ctx, who) : demandStepUp(deps, ctx, who);
  }
  const notice = noticeNewDevice(deps, ctx, membership, input.device.compared);
  // If the history could not be read in time a moment ago, do not wait for it again.
  if (!skipped) await notice;
  // A login that was not scored, or that would have needed a proof and gave none, must not teach
  // the scorer what is usual.
  if (entry.stepUp || (!skipped && entry.outcome !== 'monitored')) {
    const { tenantId, staffId } = membership;
    const owner = { tenantId, userId: account.userId, staffId };
    const { sessionId } = entry.tokens;
    await learnFromSuccess(deps, ctx, {
      ...owner,
      sessionId,
      deviceHashes: input.device.learned,
      renewed: input.device.renewed,
    });
  }
  await conclude(deps, ctx, verdict, entry.outcome);
  deps.metrics.logins.inc({ outcome: 'succeeded' });
  return entry.tokens;
}
