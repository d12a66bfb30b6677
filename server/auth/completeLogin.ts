import type { RequestContext } from '../context';
import { AppError } from '../errors';
import {
  attemptSubject,
  clearAttempts,
  consumeLoginChallenge,
  findChallenge,
  findPolicyInForce,
  fromChallengeId,
  learnFromSuccess,
  noteDecision,
} from '../security';
import type { DeviceIdentity, RiskAssessment } from '../security';
import { noteProofAtLogin, readProfile } from './accountStore';
import { wasDemanded } from './decideLogin';
import type { LoginDeps } from './login';
import { noticeNewDevice } from './noticeNewDevice';
import { openSession } from './openSession';
import type { TokenPair } from './openSession';
import { recordRisk } from './recordRisk';
import { lockStaff } from './rotationStore';
import { withSessionTable } from './withSessionTable';

interface Owner {
  tenantId: string;
  userId: string;
  staffId: string;
}

export interface CompleteLoginInput {
  challengeId: string;
  device: DeviceIdentity;
}

/** The signals stand with the decision that asked for the proof: nothing was scored here. */
const notePassed = (
  deps: LoginDeps,
  ctx: RequestContext,
  { owner, risk }: { owner: Owner; risk: Pick<RiskAssessment, 'score' | 'reasons' | 'decision'> },
) => {
  const unscored = { signals: [], monitor: false, policyVersion: null, policy: null, spentUs: 0 };
  const { tenantId, staffId } = owner;
  const decided = { at: 'login', tenantId, staffId, sessionId: null, outcome: 'passed' } as const;
  return noteDecision(deps, ctx, { ...decided, risk: { ...risk, ...unscored } });
};

/**
 * Finishes a login whose challenge was verified, without the password being sent again. The password was
 * right when the challenge was made, and the challenge lets one login through, once.
 * @throws AppError CHALLENGE_NOT_FOUND, or CHALLENGE_NOT_VERIFIED where it is open still
 */
export async function completeLogin(
  deps: LoginDeps,
  ctx: RequestContext,
  input: CompleteLoginInput,
): Promise<TokenPair> {
  const id = fromChallengeId(deps.keys, input.challengeId);
  if (id === null) throw new AppError('CHALLENGE_NOT_FOUND');
  const asked = await findChallenge(deps.db, id);
  if (!asked) throw new AppError('CHALLENGE_NOT_FOUND');
  const unscored = { policy: null };
  const { maxSessions } = await findPolicyInForce(deps, asked.tenantId, unscored);
  const done = await withSessionTable(deps, (mode) =>
    deps.db.transaction(async (tx) => {
      // Before the challenge is used up: rows are locked staff first, as everywhere.
      await lockStaff(tx, asked.tenantId, asked.staffId);
      const challenge = await consumeLoginChallenge(tx, { id, now: deps.clock.now() });
      if (!challenge) return undefined;
      const { tenantId, userId, staffId, sessionVersion, rememberMe, reasons } = challenge;
      // A proof that the tenant demanded whatever the score is no finding of the score.
      const decision = wasDemanded(reasons) ? ('allow' as const) : ('step_up' as const);
      const risk = { score: challenge.score ?? 0, reasons, decision };
      const owner = { tenantId, userId, staffId };
      const decided = { at: 'login', risk, outcome: 'passed' } as const;
      await recordRisk(tx, ctx, { tenantId, staffId }, decided);
      await noteProofAtLogin(tx, tenantId, staffId);
      const email = (await readProfile(tx, tenantId, userId))?.email ?? '';
      const subject = attemptSubject(deps.keys, 'email', email);
      await clearAttempts(tx, ['account', 'known_device'], subject);
      const { score } = risk;
      const opened = { ...owner, sessionVersion: sessionVersion ?? -1 };
      const session = { ...opened, rememberMe, score, reasons, stepUp: true, maxSessions };
      const deviceHashes = input.device.learned;
      const tokens = await openSession(deps, tx, ctx, mode, { ...session, deviceHashes });
      return { owner, tokens, risk };
    }),
  );
  if (!done) {
    const challenge = await findChallenge(deps.db, id);
    const waiting =
      challenge?.origin === 'login' &&
      challenge.verifiedAt === null &&
      challenge.revokedAt === null &&
      challenge.expiresAt > deps.clock.now();
    throw new AppError(waiting ? 'CHALLENGE_NOT_VERIFIED' : 'CHALLENGE_NOT_FOUND');
  }
  await noticeNewDevice(deps, ctx, done.owner, input.device.hashes);
  const { sessionId } = done.tokens;
  const deviceHashes = input.device.learned;
  await learnFromSuccess(deps, ctx, { ...done.owner, sessionId, deviceHashes });
  await notePassed(deps, ctx, done);
  deps.metrics.logins.inc({ outcome: 'succeeded' });
  return done.tokens;
}
