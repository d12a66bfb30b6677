import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import type { RiskOutcome } from '../db/schema';
import type { Deps } from '../deps';
import { AppError } from '../errors';
import { queueNotice } from '../mail';
import {
  assessRisk,
  consumeLoginChallenge,
  describeAttempt,
  forgetGuesses,
  fromChallengeId,
  learnFromSuccess,
  mustStillEnrol,
  noteDecision,
  offerChallenge,
  readBegunLogin,
  settleDevice,
} from '../security';
import type { DeviceIdentity, RiskAssessment } from '../security';
import { noteProofAtLogin, replacePasswordHash } from './accountStore';
import type { Account, Membership } from './accountStore';
import { decideLogin } from './decideLogin';
import type { LoginDecision } from './decideLogin';
import { invalidateSessions } from './invalidateSessions';
import { noticeNewDevice } from './noticeNewDevice';
import { offerTenants } from './offerTenants';
import { openSession } from './openSession';
import type { TokenPair } from './openSession';
import { recordRisk } from './recordRisk';
import { lockStaff } from './rotationStore';
import { approachLogin, describeApplicant, verifyCredentials } from './verifyCredentials';
import { withSessionTable } from './withSessionTable';
import type { SessionMode } from './withSessionTable';

export type LoginDeps = Pick<
  Deps,
  | 'db'
  | 'pool'
  | 'keys'
  | 'clock'
  | 'random'
  | 'config'
  | 'passwords'
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
>;

export interface LoginInput {
  email: string;
  password: string;
  /** Slug or id. */
  tenant?: string | undefined;
  rememberMe: boolean;
  /** From the body or the cookie: the challenge of an earlier 428, perhaps verified by now. */
  challengeId?: string | undefined;
  device: DeviceIdentity;
  /** Is told which device cookie the browser is to keep. */
  onDevice?: (cookie: string) => void;
}

/** The answer to a login that goes on only once a factor is enrolled with its challenge. */
export const enrolmentRequired = (challengeId: string | undefined) =>
  new AppError('ENROLMENT_REQUIRED', {
    detail:
      'Enrol a second factor at /api/security/totp/enroll or /api/security/passkeys/register/start with this challengeId, then repeat.',
    extra: { mustEnrol: true, challengeId },
  });

/** One who has shown the right password, and what the scorer says of them. */
interface Candidate {
  account: Account;
  membership: Membership;
  risk: RiskAssessment;
  input: LoginInput;
}

const listMemberships = ({ memberships }: Account, tenant: string | undefined): Membership[] =>
  memberships.filter(
    ({ active, slug, tenantId }) =>
      active && (tenant === undefined || tenant === slug || tenant === tenantId),
  );

const note = (deps: LoginDeps, ctx: RequestContext, who: Candidate, outcome: RiskOutcome) => {
  const { tenantId, staffId } = who.membership;
  const whose = { at: 'login' as const, tenantId, staffId, sessionId: null };
  return noteDecision(deps, ctx, { ...whose, risk: who.risk, outcome });
};

async function block(deps: LoginDeps, ctx: RequestContext, who: Candidate): Promise<never> {
  const { tenantId, staffId } = who.membership;
  const { score, reasons } = who.risk;
  await withSessionTable(deps, (mode) =>
    deps.db.transaction(async (tx) => {
      const what = { staffId, reason: 'security_event' as const, now: deps.clock.now() };
      await invalidateSessions(tx, ctx, mode, tenantId, what);
      await recordRisk(tx, ctx, who.membership, {
        at: 'login',
        risk: who.risk,
        outcome: 'blocked',
      });
      await recordAudit(tx, ctx, {
        action: 'LOGIN_BLOCKED',
        outcome: 'denied',
        tenantId,
        actor: staffId,
        subject: `staff:${staffId}`,
        details: { at: 'login', score, reasons },
      });
      await queueNotice(deps, tx, ctx, who.membership, { kind: 'login_blocked' });
    }),
  );
  deps.mail.wake();
  deps.riskFacts.forget(tenantId, staffId);
  await note(deps, ctx, who, 'blocked');
  deps.metrics.logins.inc({ outcome: 'blocked' });
  throw new AppError('LOGIN_BLOCKED', { extra: { reason: 'anomaly_score' } });
}

async function demandStepUp(deps: LoginDeps, ctx: RequestContext, who: Judged): Promise<never> {
  const mustEnrol = who.decision.kind === 'prove' && who.decision.mustEnrol;
  if (mustEnrol) await assertEnrolled(deps, who);
  const { tenantId, staffId } = who.membership;
  const { score, reasons } = who.risk;
  const offer = await deps.db.transaction(async (tx) => {
    const decided = { at: 'login' as const, risk: who.risk, outcome: 'challenged' as const };
    await recordRisk(tx, ctx, who.membership, decided);
    return offerChallenge(deps, tx, ctx, {
      tenantId,
      userId: who.account.userId,
      staffId,
      sessionId: null,
      sessionVersion: who.membership.sessionVersion,
      origin: 'login',
      purpose: 'security_settings',
      score,
      reasons,
      rememberMe: who.input.rememberMe,
      mustEnrol,
      browserHash: who.input.device.browserHash,
    });
  });
  await note(deps, ctx, who, 'challenged');
  deps.metrics.logins.inc({ outcome: 'step_up' });
  throw new AppError('STEP_UP_REQUIRED', {
    extra: { requiresStepUp: true, purpose: 'security_settings', score, reasons, ...offer },
  });
}

/**
 * The proof was given, and the factor is not enrolled yet: another challenge would only cost another mail.
 * @throws AppError ENROLMENT_REQUIRED
 */
async function assertEnrolled(deps: LoginDeps, { membership, input }: Candidate): Promise<void> {
  const id = input.challengeId && fromChallengeId(deps.keys, input.challengeId);
  if (!id) return;
  const query = { id, staffId: membership.staffId, now: deps.clock.now() };
  if (await mustStillEnrol(deps.db, query)) throw enrolmentRequired(input.challengeId);
}

/** Uses up the verified challenge, if there is one for this person: it lets one login through, once. */
async function passByChallenge(deps: LoginDeps, tx: Tx, who: Judged): Promise<boolean> {
  const { challengeId } = who.input;
  if (challengeId === undefined) return false;
  const begun = readBegunLogin(deps.keys, challengeId);
  // One that began with the factor was not asked for by this score: it does not undo a block.
  if (begun && who.decision.kind === 'block') return false;
  const id = begun?.id ?? fromChallengeId(deps.keys, challengeId);
  if (id === null) return false;
  const { staffId } = who.membership;
  const query = { id, staffId, passwordShown: true as const, now: deps.clock.now() };
  return (await consumeLoginChallenge(tx, query)) !== undefined;
}

/** What let a login in: nothing spoke against it, a proof, or a policy that only watches. */
function outcomeOf({ risk, decision }: Judged, stepUp: boolean): RiskOutcome {
  if (risk.decision === 'allow' && decision.kind === 'allow') return 'allowed';
  return stepUp ? 'passed' : 'monitored';
}

/** A candidate, and what they have to show. */
interface Judged extends Candidate {
  decision: LoginDecision;
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

/** @returns the tokens, or undefined where nothing lets this login through */
async function enter(
  deps: LoginDeps,
  tx: Tx,
  ctx: RequestContext,
  mode: SessionMode,
  who: Judged & { newHash: string | undefined },
): Promise<Entry | undefined> {
  const { tenantId, staffId } = who.membership;
  // Before the challenge is used up: rows are locked staff first, as everywhere. Without one the lock comes late, so that
  // many logins of one person at once do not wait for each other.
  if (who.input.challengeId !== undefined) await lockStaff(tx, tenantId, staffId);
  // Used up also where the score alone would do: no second login may come of it.
  const stepUp = await passByChallenge(deps, tx, who);
  if (who.decision.kind !== 'allow' && !stepUp) return undefined;
  const { account, membership, risk, input } = who;
  if (stepUp) await noteProofAtLogin(tx, tenantId, staffId);
  const outcome = outcomeOf(who, stepUp);
  await recordRisk(tx, ctx, membership, { at: 'login', risk, outcome });
  const tokens = await openSession(deps, tx, ctx, mode, {
    tenantId,
    userId: account.userId,
    staffId,
    sessionVersion: membership.sessionVersion,
    deviceHashes: input.device.learned,
    rememberMe: input.rememberMe,
    score: risk.score,
    reasons: risk.reasons,
    stepUp,
    maxSessions: who.decision.policy.maxSessions,
  });
  // The staff member's row is locked by now: a new password locks it before the person's, and would wait for this one.
  await rehash(tx, ctx, who);
  // After the lock that opening a session takes: whoever shows a code locks the staff member before the counters too.
  await forgetGuesses(deps, tx, account.email);
  return { tokens, outcome, stepUp };
}

/** Takes a place in the queue of hashes only for the password itself, and only if the address may have one. */
async function checkPassword(deps: LoginDeps, ctx: RequestContext, input: LoginInput) {
  const credentials = { ...input, cookieDeviceHashes: input.device.cookieHashes };
  const approach = await approachLogin(deps, ctx, credentials);
  const describe = () => describeApplicant(credentials, approach);
  return deps.passwords.admit(describe, () => verifyCredentials(deps, ctx, input, approach));
}

/**
 * Signs a person in: find the tenant and check the credentials, score, decide, and only then create
 * anything.
 * @throws AppError INVALID_CREDENTIALS, TENANT_SELECTION_REQUIRED, STEP_UP_REQUIRED, LOGIN_BLOCKED,
 *   TOO_MANY_ATTEMPTS, HASHING_BUSY
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
  const fitting = listMemberships(account, input.tenant);
  const membership = fitting.length === 1 ? fitting[0] : undefined;
  if (!membership) return offerTenants(deps, ctx, fitting);
  const attempt = describeAttempt(deps, ctx, {
    at: 'login',
    tenantId: membership.tenantId,
    staffId: membership.staffId,
    deviceHashes: input.device.compared,
    recentFailures,
    accountsTried,
  });
  const scored = await assessRisk(deps, ctx, attempt);
  const decision = await decideLogin(deps, membership, scored);
  // What is told and recorded names every reason to ask for a proof.
  const risk = decision.kind === 'prove' ? { ...scored, reasons: decision.reasons } : scored;
  const who = { account, membership, risk, input, decision };
  const newHash = deps.passwords.isOutdated(account.passwordHash)
    ? await deps.passwords.hash(input.password)
    : undefined;
  const entry = await withSessionTable(deps, (mode) =>
    deps.db.transaction((tx) => enter(deps, tx, ctx, mode, { ...who, newHash })),
  );
  if (!entry) {
    return decision.kind === 'block' ? block(deps, ctx, who) : demandStepUp(deps, ctx, who);
  }
  const told = noticeNewDevice(deps, ctx, membership, input.device.compared);
  // Where the history could not be read in time a moment ago, nobody waits for it now.
  if (!risk.skipped) await told;
  // What nobody judged, or what would have needed a proof and gave none, must not become what is usual.
  if (entry.stepUp || (!risk.skipped && entry.outcome !== 'monitored')) {
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
  await note(deps, ctx, who, entry.outcome);
  deps.metrics.logins.inc({ outcome: 'succeeded' });
  return entry.tokens;
}
