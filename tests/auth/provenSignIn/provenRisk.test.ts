import { randomUUID } from 'node:crypto';
import request from 'supertest';
import { requireProofAtLogin } from '@/server/auth';
import { computeAnomalyScoreOptimized } from '@/server/security/computeAnomalyScore';
import {
  auditOf,
  liveSessionsOf,
  sessionsOf,
  setStaffStatus,
  versionOf,
} from '@/tests/helpers/database/authRows';
import { fromAddress, me } from '@/tests/helpers/http/authCalls';
import { ELSEWHERE, OFFICE, OFFICE_RANGE, allow, setRules } from '@/tests/helpers/people/addressed';
import { MAY_ALL, choosePolicy, seedOfficer } from '@/tests/helpers/people/officer';
import {
  changeName,
  completeSignIn,
  refusedByProvider,
  signInByProvider,
} from '@/tests/helpers/people/provenMember';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp, createMovableClock } from '@/tests/helpers/server/testApp';
import { answerChallenge } from '@/tests/helpers/stepUp/answerChallenge';
import { giveFactor } from '@/tests/helpers/stepUp/secondFactor';

jest.mock('@/server/security/computeAnomalyScore', () => ({
  computeAnomalyScoreOptimized: jest.fn(),
}));

const scorer = jest.mocked(computeAnomalyScoreOptimized);
const scoreWith = (score: number, reasons: string[] = []) =>
  scorer.mockResolvedValueOnce({ score, reasons });

const clock = createMovableClock();
const { app, deps } = buildApp({ accessTokenTtlSec: 3600 }, { clock });
const other = buildApp({ accessTokenTtlSec: 3600 }, { clock });
const node = { app, clock };

const prove = (secret: string, { challengeId }: { challengeId: string }) =>
  answerChallenge(node, secret, { challengeId });

beforeEach(() => {
  scorer.mockReset();
  scorer.mockResolvedValue({ score: 0, reasons: [] });
});

const TRUSTED = { amr: ['pwd', 'mfa'], trustsFactor: true };

describe('the risk gate of a sign-in through a provider', () => {
  it('lets in at 59', async () => {
    const member = await seedTestUserAndToken();
    scoreWith(59);
    expect((await signInByProvider(deps, member)).requiresStepUp).toBe(false);
  });

  it.each([60, 89])(
    'asks for a proof at %i, also if the tenant trusts the factor of its provider',
    async (score) => {
      const member = await seedTestUserAndToken();
      const secret = await giveFactor(member);
      const connectionId = randomUUID();
      const said = { ...TRUSTED, connectionId, providerSid: 'theirs' };
      scoreWith(score, ['NEW_DEVICE']);
      const refused = await refusedByProvider(deps, member, said);
      expect(refused).toMatchObject({ code: 'STEP_UP_REQUIRED', score, reasons: ['NEW_DEVICE'] });
      expect(await sessionsOf(member.staffId)).toHaveLength(1);
      const early = await completeSignIn(app, refused.challengeId);
      expect(early.body).toMatchObject({ error: 'CHALLENGE_NOT_VERIFIED' });
      expect((await prove(secret, refused)).status).toBe(200);
      const done = await completeSignIn(other.app, refused.challengeId);
      expect(done.status).toBe(200);
      const { sessionId } = done.body as { sessionId: string };
      const opened = (await sessionsOf(member.staffId)).find(({ id }) => id === sessionId);
      expect(opened).toMatchObject({
        ssoConnectionId: connectionId,
        providerSid: 'theirs',
        ownProofAt: null,
        amr: ['mfa', 'otp'],
      });
      const [event] = await auditOf('AUTH_LOGIN_SUCCEEDED', member.tenantId);
      expect(event?.details).toMatchObject({ connectionId, stepUp: true, score });
      // The proof of a login is no step-up, and no proof of the person elsewhere.
      const named = await changeName(app, done.body.accessToken as string);
      expect(named.body).toMatchObject({ error: 'OWN_PROOF_REQUIRED' });
      expect((await completeSignIn(app, refused.challengeId)).status).toBe(404);
    },
  );

  it('blocks at 90 and ends every session, also with a trusted factor', async () => {
    const member = await seedTestUserAndToken();
    scoreWith(90);
    const refused = await refusedByProvider(deps, member, TRUSTED);
    expect(refused).toEqual({ code: 'LOGIN_BLOCKED', reason: 'anomaly_score' });
    expect(await versionOf(member.staffId)).toBe(2);
    expect(await liveSessionsOf(member.staffId)).toHaveLength(0);
    expect((await me(app, member.accessToken)).status).toBe(401);
  });

  it('lets one of fifty completions through, over two nodes', async () => {
    const member = await seedTestUserAndToken();
    const secret = await giveFactor(member);
    scoreWith(70);
    const refused = await refusedByProvider(deps, member);
    expect((await prove(secret, refused)).status).toBe(200);
    const nodes = [app, other.app];
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, at) =>
        completeSignIn(nodes[at % 2] as typeof app, refused.challengeId),
      ),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(await sessionsOf(member.staffId)).toHaveLength(2);
  });

  it('offers no proof to a member who may not sign in', async () => {
    const member = await seedTestUserAndToken();
    await setStaffStatus(member.staffId, 'disabled');
    scoreWith(70);
    expect(await refusedByProvider(deps, member)).toEqual({ code: 'INVALID_CREDENTIALS' });
  });

  it('lets nobody in who was disabled between the proof and the completion', async () => {
    const member = await seedTestUserAndToken();
    const secret = await giveFactor(member);
    scoreWith(70);
    const refused = await refusedByProvider(deps, member);
    expect((await prove(secret, refused)).status).toBe(200);
    await setStaffStatus(member.staffId, 'disabled');
    expect((await completeSignIn(app, refused.challengeId)).status).toBe(404);
    expect(await sessionsOf(member.staffId)).toHaveLength(1);
  });
});

describe('a factor that the tenant demands', () => {
  it('is asked for, unless the tenant trusts its provider and the provider says that it was shown', async () => {
    const officer = await seedOfficer();
    await choosePolicy(app, officer, { secondFactor: 'if_enrolled' });
    const member = await seedTestUserAndToken({ tenantId: officer.tenantId });
    await giveFactor(member);
    for (const said of [
      {},
      { amr: ['pwd', 'mfa'], trustsFactor: false },
      { amr: ['pwd'], trustsFactor: true },
    ]) {
      expect(await refusedByProvider(deps, member, said)).toMatchObject({
        code: 'STEP_UP_REQUIRED',
        reasons: ['SECOND_FACTOR_REQUIRED'],
      });
    }
    const tokens = await signInByProvider(deps, member, TRUSTED);
    // It counts for the sign-in alone: the next act in the session asks again.
    const factors = await request(app)
      .post('/api/security/recovery-codes')
      .set('authorization', `Bearer ${tokens.accessToken}`);
    expect(factors.status).toBe(428);
  });

  it('is enrolled with the challenge by a member who has none, and then the sign-in goes on', async () => {
    const officer = await seedOfficer();
    await choosePolicy(app, officer, { secondFactor: 'always' });
    const member = await seedTestUserAndToken({ tenantId: officer.tenantId });
    const refused = await refusedByProvider(deps, member);
    expect(refused).toMatchObject({ code: 'STEP_UP_REQUIRED', mustEnrol: true });
    expect((await signInByProvider(deps, member, TRUSTED)).requiresStepUp).toBe(false);
  });

  it('does not lift a proof that is due because somebody else had a session', async () => {
    const officer = await seedOfficer({ permissions: [...MAY_ALL, 'TENANT_STAFF_MANAGE'] });
    const member = await seedTestUserAndToken({ tenantId: officer.tenantId });
    await deps.db.transaction((tx) => requireProofAtLogin(tx, member.tenantId, member.staffId));
    const refused = await refusedByProvider(deps, member, TRUSTED);
    expect(refused).toMatchObject({ code: 'STEP_UP_REQUIRED', reasons: ['PROOF_REQUIRED'] });
  });
});

describe('the IP rules of the tenant', () => {
  it('hold for a sign-in through a provider, and for its completion', async () => {
    const officer = await seedOfficer();
    const member = await seedTestUserAndToken({ tenantId: officer.tenantId });
    await setRules(app, officer, [allow(OFFICE_RANGE)]);
    const there = await refusedByProvider(deps, member, { ip: ELSEWHERE });
    expect(there).toMatchObject({ code: 'IP_BLOCKED' });
    expect((await signInByProvider(deps, member, { ip: OFFICE })).tokenType).toBe('Bearer');
    scoreWith(70);
    const refused = await refusedByProvider(deps, member, { ip: OFFICE });
    const done = await completeSignIn(app, refused.challengeId).set(fromAddress(ELSEWHERE));
    expect(done.body).toMatchObject({ error: 'IP_BLOCKED' });
  });
});
