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
  fromChallengeId,
  judgeLogin,
  learnFromSuccess,
  mustStillEnrol,
  offerChallenge,
  readBegunLogin,
  settle,
  stepUpRequired,
} from '../security';
import type { Challenge, DeviceIdentity, LoginVerdict } from '../security';
import { amrOf } from './authMethods';
import { noteProofAtLogin } from './accountStore';
import type { Membership } from './accountStore';
import { holdProvider } from './holdProvider';
import { noticeNewDevice } from './noticeNewDevice';
import { openSession } from './openSession';
import type { SessionProvider, TokenPair } from './openSession';
import { lockStaff } from './refreshTokenStore';
import { shutOut } from './shutOut';
import { withSessionTable } from './withSessionTable';
import type { SessionMode } from './withSessionTable';

export type SignInDeps = Pick<
  AuthDeps,
  | 'db'
  | 'pool'
  | 'keys'
  | 'clock'
  | 'random'
  | 'config'
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

/** Writes what belongs to the kind of sign-in, in the transaction that opens the session. */
type WriteMore = (tx: Tx) => Promise<void>;

/** A member whose identity is proven, by their password or by a tenant's provider. */
export interface ProvenEntrant {
  userId: string;
  membership: Pick<Membership, 'tenantId' | 'staffId' | 'sessionVersion' | 'mustProveLogin'>;
  /** Failed logins of this account in the window before this one. */
  recentFailures: number;
  /** The number of different accounts on which logins from this address failed in the window. */
  accountsTried: number;
  rememberMe: boolean;
  /** As `settleDevice` returns it. */
  device: DeviceIdentity;
  /** The challenge of an earlier 428 to a sign-in with the password; it may have been verified. */
  challengeId?: string | undefined;
  /** The provider that proved the member; null for their own password. */
  provider: SessionProvider | null;
  /** Called after the verdict and before the session is opened. */
  prepare?: () => Promise<WriteMore>;
}

/** The entrant, with the verdict on what they have to show. */
interface Candidate {
  entrant: ProvenEntrant;
  verdict: LoginVerdict;
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

async function block(
  deps: SignInDeps,
  ctx: RequestContext,
  { verdict }: Candidate,
): Promise<never> {
  await shutOut(deps, ctx, verdict);
  deps.metrics.logins.inc({ outcome: 'blocked' });
  throw new AppError('LOGIN_BLOCKED', { extra: { reason: 'anomaly_score' } });
}

async function demandStepUp(
  deps: SignInDeps,
  ctx: RequestContext,
  { entrant, verdict }: Candidate,
): Promise<never> {
  const { membership, device, provider, rememberMe } = entrant;
  const mustEnrol = verdict.kind === 'prove' && verdict.mustEnrol;
  if (mustEnrol) await assertEnrolled(deps, entrant);
  const { tenantId, staffId } = membership;
  const { score, reasons } = verdict.risk;
  const purpose = 'security_settings' as const;
  const proven = provider && {
    ssoConnectionId: provider.connectionId,
    providerSid: provider.sid,
    providerAmr: [...provider.amr],
  };
  const offer = await inTenant(deps.db, tenantId, async (tx) => {
    await holdProvider(tx, tenantId, provider?.connectionId ?? null);
    await settle(deps, tx, ctx, verdict, 'challenged');
    return offerChallenge(deps, tx, ctx, {
      tenantId,
      userId: entrant.userId,
      staffId,
      sessionId: null,
      sessionVersion: membership.sessionVersion,
      origin: 'login',
      purpose,
      score,
      reasons,
      rememberMe,
      mustEnrol,
      browserHash: device.browserHash,
      ...proven,
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
async function assertEnrolled(
  deps: SignInDeps,
  { membership, challengeId }: ProvenEntrant,
): Promise<void> {
  const id = challengeId && fromChallengeId(deps.keys, challengeId);
  if (!id) return;
  const query = { id, staffId: membership.staffId, ofPassword: true as const };
  if (await mustStillEnrol(deps.db, { ...query, now: deps.clock.now() })) {
    throw enrolmentRequired(challengeId);
  }
}

/**
 * Consumes the verified challenge, if this person has one. It lets one login through, once.
 * @returns the challenge; undefined if there is none
 */
async function passByChallenge(
  deps: SignInDeps,
  tx: Tx,
  { entrant, verdict }: Candidate,
): Promise<Challenge | undefined> {
  const { challengeId } = entrant;
  if (challengeId === undefined) return undefined;
  const begun = readBegunLogin(deps.keys, challengeId);
  // A login that began with the factor was not challenged because of this score, so it cannot lift
  // a block.
  if (begun && verdict.kind === 'block') return undefined;
  const id = begun?.id ?? fromChallengeId(deps.keys, challengeId);
  if (id === null) return undefined;
  const { staffId } = entrant.membership;
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

/** @returns the tokens, or undefined if this login is not let through */
async function enter(
  deps: SignInDeps,
  tx: Tx,
  ctx: RequestContext,
  mode: SessionMode,
  who: Candidate & { writeMore: WriteMore | undefined },
): Promise<Entry | undefined> {
  const { entrant, verdict } = who;
  const { membership, provider } = entrant;
  const { tenantId, staffId } = membership;
  await holdProvider(tx, tenantId, provider?.connectionId ?? null);
  // Lock the staff row before the challenge: every path locks in this order, so that none deadlock.
  // Without a challenge the lock comes late, so that concurrent logins of one person do not wait
  // for each other.
  if (entrant.challengeId !== undefined) await lockStaff(tx, tenantId, staffId);
  // Consume the challenge even if the score alone would do, so that no second login can use it.
  const proof = await passByChallenge(deps, tx, who);
  const stepUp = proof !== undefined;
  if (verdict.kind !== 'allow' && !stepUp) return undefined;
  if (stepUp) await noteProofAtLogin(tx, tenantId, staffId);
  const outcome = outcomeOf(verdict, stepUp);
  await settle(deps, tx, ctx, verdict, outcome);
  const tokens = await openSession(deps, tx, ctx, mode, {
    tenantId,
    userId: entrant.userId,
    staffId,
    sessionVersion: membership.sessionVersion,
    deviceHashes: entrant.device.learned,
    rememberMe: entrant.rememberMe,
    score: verdict.risk.score,
    reasons: verdict.risk.reasons,
    stepUp,
    amr: amrOf(proof?.verifiedMethod ?? null, provider?.amr ?? null),
    provider,
    maxSessions: verdict.policy.maxSessions,
  });
  await who.writeMore?.(tx);
  return { tokens, outcome, stepUp };
}

/** Scores the sign-in and decides what it has to show. */
const judge = (deps: SignInDeps, ctx: RequestContext, entrant: ProvenEntrant) =>
  judgeLogin(deps, ctx, {
    tenantId: entrant.membership.tenantId,
    staffId: entrant.membership.staffId,
    mustProveLogin: entrant.membership.mustProveLogin,
    factorShown: entrant.provider?.amr.includes('mfa') ?? false,
    deviceHashes: entrant.device.compared,
    recentFailures: entrant.recentFailures,
    accountsTried: entrant.accountsTried,
  });

/**
 * Signs in a member whose identity is proven: checks the address against the tenant's IP rules,
 * scores, decides, and only then creates anything. All kinds of sign-in go through here.
 * @throws AppError IP_BLOCKED, IP_RULES_UNAVAILABLE, STEP_UP_REQUIRED, ENROLMENT_REQUIRED,
 * LOGIN_BLOCKED; INVALID_CREDENTIALS if the member was disabled, or their sessions were ended, in
 * the meantime, or the provider's connection was deleted; SCHEMA_UNAVAILABLE for a provider's
 * sign-in if `user_sessions` is missing
 */
export async function signInMember(
  deps: SignInDeps,
  ctx: RequestContext,
  entrant: ProvenEntrant,
): Promise<TokenPair> {
  const { membership, device } = entrant;
  await assertAddress(deps, ctx, membership);
  const verdict = await judge(deps, ctx, entrant);
  const { skipped } = verdict.risk;
  const who = { entrant, verdict };
  const writeMore = await entrant.prepare?.();
  const entry = await withSessionTable(deps, (mode) =>
    inTenant(deps.db, membership.tenantId, (tx) =>
      enter(deps, tx, ctx, mode, { ...who, writeMore }),
    ),
  );
  if (!entry) {
    return verdict.kind === 'block' ? block(deps, ctx, who) : demandStepUp(deps, ctx, who);
  }
  const notice = noticeNewDevice(deps, ctx, membership, device.compared);
  // If the history could not be read in time a moment ago, do not wait for it again.
  if (!skipped) await notice;
  // A login that was not scored, or that would have needed a proof and gave none, must not teach
  // the scorer what is usual.
  if (entry.stepUp || (!skipped && entry.outcome !== 'monitored')) {
    const { tenantId, staffId } = membership;
    const owner = { tenantId, userId: entrant.userId, staffId };
    const { sessionId } = entry.tokens;
    await learnFromSuccess(deps, ctx, {
      ...owner,
      sessionId,
      deviceHashes: device.learned,
      renewed: device.renewed,
    });
  }
  await conclude(deps, ctx, verdict, entry.outcome);
  deps.metrics.logins.inc({ outcome: 'succeeded' });
  return entry.tokens;
}
