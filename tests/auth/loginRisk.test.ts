import { app } from '@/server/app';
import { computeAnomalyScoreOptimized } from '@/server/security/computeAnomalyScore';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { cookieOf, login, me, refresh } from '@/tests/helpers/http/authCalls';
import {
  auditOf,
  challengesOf,
  liveSessionsOf,
  liveTokensOf,
  sessionsOf,
  setHighRiskAction,
  tokensOf,
  versionOf,
} from '@/tests/helpers/database/authRows';

jest.mock('@/server/security/computeAnomalyScore', () => ({
  computeAnomalyScoreOptimized: jest.fn(),
}));

const scorer = jest.mocked(computeAnomalyScoreOptimized);
const scoreWith = (score: number, reasons: string[] = []) =>
  scorer.mockResolvedValueOnce({ score, reasons });

async function expectNothingMade(seeded: SeededAuth): Promise<void> {
  expect((await sessionsOf(seeded.staffId)).map(({ id }) => id)).toStrictEqual([seeded.sessionId]);
  expect((await tokensOf(seeded.staffId)).map(({ id }) => id)).toStrictEqual([
    seeded.refreshTokenId,
  ]);
}

describe('a login that scores below 60', () => {
  it('is let in at 59', async () => {
    const seeded = await seedTestUserAndToken();
    scoreWith(59, ['NEW_COUNTRY']);
    const res = await login(app, seeded);
    expect(res.status).toBe(200);
    expect(res.body.requiresStepUp).toBe(false);
    const [event] = await auditOf('AUTH_LOGIN_SUCCEEDED', seeded.tenantId);
    expect(event?.details).toMatchObject({ score: 59, reasons: ['NEW_COUNTRY'] });
  });
});

describe.each([60, 89])('a login that scores %i', (score) => {
  it('is answered with the pinned 428 and a challenge', async () => {
    const seeded = await seedTestUserAndToken();
    scoreWith(score, ['NEW_DEVICE', 'NEW_COUNTRY']);
    const res = await login(app, seeded);
    expect(res.status).toBe(428);
    expect(res.headers['content-type']).toMatch(/^application\/json/);
    expect(res.body).toStrictEqual({
      error: 'STEP_UP_REQUIRED',
      requiresStepUp: true,
      purpose: 'security_settings',
      score,
      reasons: ['NEW_DEVICE', 'NEW_COUNTRY'],
      challengeId: expect.stringMatching(/^chl_/),
      methods: ['email'],
      expiresAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    });
  });

  it('makes no session and no token, and leaves the sessions there are alone', async () => {
    const seeded = await seedTestUserAndToken();
    scoreWith(score);
    expect((await login(app, seeded)).status).toBe(428);
    await expectNothingMade(seeded);
    expect(await liveSessionsOf(seeded.staffId)).toHaveLength(1);
    expect(await versionOf(seeded.staffId)).toBe(1);
    expect(await auditOf('AUTH_LOGIN_SUCCEEDED', seeded.tenantId)).toHaveLength(0);
    expect(await challengesOf(seeded.staffId)).toMatchObject([
      { origin: 'login', purpose: 'security_settings', score, sessionId: null, verifiedAt: null },
    ]);
  });
});

describe('the cookie of a 428', () => {
  it('carries the challenge out of reach of scripts and other sites', async () => {
    const seeded = await seedTestUserAndToken();
    scoreWith(75);
    const res = await login(app, seeded);
    expect(cookieOf(res, 'gh_challenge')).toBe(`gh_challenge=${res.body.challengeId}`);
    const cookies = res.headers['set-cookie'] as unknown as string[];
    const [challenge] = cookies.filter((cookie) => cookie.startsWith('gh_challenge='));
    expect(challenge).toMatch(/; HttpOnly/);
    expect(challenge).toMatch(/; SameSite=Strict/);
  });

  it('lets nobody in before the challenge is verified', async () => {
    const seeded = await seedTestUserAndToken();
    scoreWith(75);
    const first = await login(app, seeded);
    scoreWith(75);
    const again = await login(app, seeded, { cookie: cookieOf(first, 'gh_challenge') });
    expect(again.status).toBe(428);
    scoreWith(75);
    const byBody = await login(app, { ...seeded, challengeId: first.body.challengeId });
    expect(byBody.status).toBe(428);
    await expectNothingMade(seeded);
  });
});

describe.each([90, 100])('a login that scores %i', (score) => {
  it('is blocked with the pinned 403, makes nothing and ends every session there is', async () => {
    const seeded = await seedTestUserAndToken();
    expect((await me(app, seeded.accessToken)).status).toBe(200);
    scoreWith(score, ['FAILED_ATTEMPTS_MANY']);
    const res = await login(app, seeded);
    expect(res.status).toBe(403);
    expect(res.body).toStrictEqual({ error: 'LOGIN_BLOCKED', reason: 'anomaly_score' });
    await expectNothingMade(seeded);
    expect(await versionOf(seeded.staffId)).toBe(2);
    expect(await liveSessionsOf(seeded.staffId)).toHaveLength(0);
    expect(await liveTokensOf(seeded.staffId)).toHaveLength(0);
    expect((await me(app, seeded.accessToken)).status).toBe(401);
    const refreshed = await refresh(app, seeded.refreshToken);
    expect(refreshed.status).toBe(401);
    expect(refreshed.body).toStrictEqual({ error: 'FORCE_LOGOUT', reason: 'security_event' });
  });

  it('is written down as blocked, suspicious and the end of the sessions', async () => {
    const seeded = await seedTestUserAndToken();
    scoreWith(score, ['NEW_DEVICE']);
    await login(app, seeded, { 'x-correlation-id': `blocked-${score}` });
    const about = { correlationId: `blocked-${score}`, subject: `staff:${seeded.staffId}` };
    expect(await auditOf('LOGIN_BLOCKED', seeded.tenantId)).toMatchObject([
      { ...about, outcome: 'denied', details: { at: 'login', score, reasons: ['NEW_DEVICE'] } },
    ]);
    expect(await auditOf('SUSPICIOUS_LOGIN_DETECTED', seeded.tenantId)).toMatchObject([
      { ...about, details: { at: 'login', score, decision: 'block' } },
    ]);
    expect(await auditOf('SESSION_INVALIDATED', seeded.tenantId)).toMatchObject([
      { ...about, details: { reason: 'security_event', sessionVersion: 2, sessionsRevoked: 1 } },
    ]);
  });
});

describe('a tenant that answers a high risk with a step-up', () => {
  it('asks for one at 95 where others block, and ends nothing', async () => {
    const seeded = await seedTestUserAndToken();
    await setHighRiskAction(seeded.tenantId, 'step_up');
    scoreWith(95, ['FAILED_ATTEMPTS_MANY']);
    const res = await login(app, seeded);
    expect(res.status).toBe(428);
    expect(res.body).toMatchObject({ error: 'STEP_UP_REQUIRED', score: 95 });
    await expectNothingMade(seeded);
    expect(await versionOf(seeded.staffId)).toBe(1);
    expect((await me(app, seeded.accessToken)).status).toBe(200);
  });
});

describe('scoring', () => {
  it('comes after the credentials: a wrong password is not scored', async () => {
    const seeded = await seedTestUserAndToken();
    scorer.mockClear();
    expect((await login(app, { ...seeded, password: 'a wrong password' })).status).toBe(401);
    expect(scorer).not.toHaveBeenCalled();
  });

  it('is told who, where, on what and after how many failures', async () => {
    const seeded = await seedTestUserAndToken();
    for (let failure = 0; failure < 3; failure += 1) {
      await login(app, { ...seeded, password: 'a wrong password' });
    }
    scorer.mockClear();
    scoreWith(0);
    await login(app, seeded, { 'x-forwarded-for': '133.11.0.1', 'user-agent': 'Browser/2' });
    expect(scorer.mock.calls[0]?.[1]).toMatchObject({
      tenantId: seeded.tenantId,
      staffId: seeded.staffId,
      country: 'JP',
      recentFailures: 3,
      deviceHashes: [expect.any(String)],
    });
  });
});
