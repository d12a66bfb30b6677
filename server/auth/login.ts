import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import type { Deps } from '../deps';
import { AppError } from '../errors';
import {
  assessRisk,
  attemptSubject,
  clearAttempts,
  consumeLoginChallenge,
  decideRisk,
  fromChallengeId,
  learnFromSuccess,
  offerChallenge,
} from '../security';
import type { DeviceIdentity, RiskAssessment } from '../security';
import { updatePasswordHash } from './accountStore';
import type { Account, Membership } from './accountStore';
import { invalidateSessions } from './invalidateSessions';
import { openSession } from './openSession';
import type { TokenPair } from './openSession';
import { recordRisk } from './recordRisk';
import { verifyCredentials } from './verifyCredentials';
import { withSessionTable } from './withSessionTable';
import type { SessionMode } from './withSessionTable';

export type LoginDeps = Pick<
  Deps,
  | 'db'
  | 'keys'
  | 'clock'
  | 'random'
  | 'config'
  | 'passwords'
  | 'metrics'
  | 'logger'
  | 'schemaGuard'
  | 'riskFacts'
  | 'accessTokens'
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
}

/** One who has shown the right password, and what the scorer says of them. */
interface Candidate {
  account: Account;
  membership: Membership;
  risk: RiskAssessment;
  input: LoginInput;
}

function chooseMembership(account: Account, tenant: string | undefined): Membership {
  const fitting = account.memberships.filter(
    ({ active, slug, tenantId }) =>
      active && (tenant === undefined || tenant === slug || tenant === tenantId),
  );
  const [only] = fitting;
  if (only && fitting.length === 1) return only;
  const tenants = fitting.map(({ tenantId, slug, name }) => ({ id: tenantId, slug, name }));
  throw new AppError('TENANT_SELECTION_REQUIRED', { extra: { tenants } });
}

async function block(deps: LoginDeps, ctx: RequestContext, who: Candidate): Promise<never> {
  const { tenantId, staffId } = who.membership;
  const { score, reasons } = who.risk;
  await withSessionTable(deps, (mode) =>
    deps.db.transaction(async (tx) => {
      const what = { staffId, reason: 'security_event' as const, now: deps.clock.now() };
      await invalidateSessions(tx, ctx, mode, tenantId, what);
      await recordRisk(tx, ctx, who.membership, { at: 'login', risk: who.risk, decision: 'block' });
      await recordAudit(tx, ctx, {
        action: 'LOGIN_BLOCKED',
        outcome: 'denied',
        tenantId,
        actor: staffId,
        subject: `staff:${staffId}`,
        details: { at: 'login', score, reasons },
      });
    }),
  );
  deps.riskFacts.forget(staffId);
  deps.metrics.logins.inc({ outcome: 'blocked' });
  throw new AppError('LOGIN_BLOCKED', { extra: { reason: 'anomaly_score' } });
}

async function demandStepUp(deps: LoginDeps, ctx: RequestContext, who: Candidate): Promise<never> {
  const { tenantId, staffId } = who.membership;
  const { score, reasons } = who.risk;
  const offer = await deps.db.transaction(async (tx) => {
    await recordRisk(tx, ctx, who.membership, { at: 'login', risk: who.risk, decision: 'step_up' });
    return offerChallenge(deps, tx, ctx, {
      tenantId,
      userId: who.account.userId,
      staffId,
      sessionId: null,
      origin: 'login',
      purpose: 'security_settings',
      score,
      reasons,
      rememberMe: who.input.rememberMe,
    });
  });
  deps.metrics.logins.inc({ outcome: 'step_up' });
  throw new AppError('STEP_UP_REQUIRED', {
    extra: { requiresStepUp: true, purpose: 'security_settings', score, reasons, ...offer },
  });
}

/** Uses up the verified challenge, if there is one for this person: it lets one login through, once. */
async function passByChallenge(deps: LoginDeps, tx: Tx, who: Candidate): Promise<boolean> {
  const id = who.input.challengeId && fromChallengeId(deps.keys, who.input.challengeId);
  if (!id) return false;
  const query = { id, staffId: who.membership.staffId, now: deps.clock.now() };
  return (await consumeLoginChallenge(tx, query)) !== undefined;
}

/** @returns the tokens, or undefined where nothing lets this login through */
async function enter(
  deps: LoginDeps,
  tx: Tx,
  ctx: RequestContext,
  mode: SessionMode,
  who: Candidate & { newHash: string | undefined; allowed: boolean },
): Promise<TokenPair | undefined> {
  // Used up also where the score alone would do: no second login may come of it.
  const stepUp = await passByChallenge(deps, tx, who);
  if (!who.allowed && !stepUp) return undefined;
  const { account, membership, risk, input } = who;
  const decision = stepUp ? 'allowed_by_step_up' : 'allow';
  await recordRisk(tx, ctx, membership, { at: 'login', risk, decision });
  if (who.newHash !== undefined) {
    await updatePasswordHash(tx, account.userId, who.newHash);
    const action = 'PASSWORD_REHASHED' as const;
    await recordAudit(tx, ctx, {
      action,
      outcome: 'success',
      tenantId: membership.tenantId,
      actor: 'system',
      subject: `user:${account.userId}`,
      details: {},
    });
  }
  const subject = attemptSubject(deps.keys, 'email', account.email);
  await clearAttempts(tx, ['account', 'known_device'], subject);
  return openSession(deps, tx, ctx, mode, {
    tenantId: membership.tenantId,
    userId: account.userId,
    staffId: membership.staffId,
    rememberMe: input.rememberMe,
    score: risk.score,
    reasons: risk.reasons,
    stepUp,
  });
}

async function score(
  deps: LoginDeps,
  ctx: RequestContext,
  who: Omit<Candidate, 'risk'> & { recentFailures: number },
): Promise<RiskAssessment> {
  return assessRisk(deps, ctx, {
    tenantId: who.membership.tenantId,
    staffId: who.membership.staffId,
    at: deps.clock.now(),
    country: ctx.country,
    deviceHashes: who.input.device.hashes,
    recentFailures: who.recentFailures,
  });
}

async function loginAdmitted(
  deps: LoginDeps,
  ctx: RequestContext,
  input: LoginInput,
): Promise<TokenPair> {
  const { account, recentFailures } = await verifyCredentials(deps, ctx, {
    ...input,
    cookieDeviceHash: input.device.cookieHash,
  });
  const membership = chooseMembership(account, input.tenant);
  const risk = await score(deps, ctx, { account, membership, input, recentFailures });
  const who = { account, membership, risk, input };
  const decision = decideRisk(risk.score, membership.highRiskAction);
  const newHash = deps.passwords.isOutdated(account.passwordHash)
    ? await deps.passwords.hash(input.password)
    : undefined;
  const allowed = decision === 'allow';
  const tokens = await withSessionTable(deps, (mode) =>
    deps.db.transaction((tx) => enter(deps, tx, ctx, mode, { ...who, newHash, allowed })),
  );
  if (!tokens) return decision === 'block' ? block(deps, ctx, who) : demandStepUp(deps, ctx, who);
  await learnFromSuccess(deps, ctx, {
    tenantId: membership.tenantId,
    userId: account.userId,
    staffId: membership.staffId,
    deviceHashes: input.device.learned,
  });
  deps.metrics.logins.inc({ outcome: 'succeeded' });
  return tokens;
}

/**
 * Signs a person in: find the tenant and check the credentials, score, decide, and only then create
 * anything.
 * @throws AppError INVALID_CREDENTIALS, TENANT_SELECTION_REQUIRED, STEP_UP_REQUIRED, LOGIN_BLOCKED,
 *   TOO_MANY_ATTEMPTS, HASHING_BUSY
 */
export function login(deps: LoginDeps, ctx: RequestContext, input: LoginInput): Promise<TokenPair> {
  return deps.passwords.admit(() => loginAdmitted(deps, ctx, input));
}
