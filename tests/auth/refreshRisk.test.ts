import request from 'supertest';
import { computeAnomalyScoreOptimized } from '@/server/security/computeAnomalyScore';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { browserOf, login, me, refresh } from '@/tests/helpers/http/authCalls';
import {
  auditOf,
  liveSessionsOf,
  liveTokensOf,
  tokensOf,
  versionOf,
} from '@/tests/helpers/database/authRows';
import { openNode } from '@/tests/helpers/server/openNode';
import { giveFactor, wrongCodes } from '@/tests/helpers/stepUp/secondFactor';
import { answerChallenge } from '@/tests/helpers/stepUp/answerChallenge';

jest.mock('@/server/security/computeAnomalyScore', () => ({
  computeAnomalyScoreOptimized: jest.fn(),
}));

const node = openNode();
const { app } = node;
const scorer = jest.mocked(computeAnomalyScoreOptimized);
const scoreWith = (score: number, reasons: string[] = []) =>
  scorer.mockResolvedValueOnce({ score, reasons });

beforeEach(() => {
  scorer.mockReset();
  scorer.mockResolvedValue({ score: 0, reasons: [] });
});

describe('a refresh that scores below 60', () => {
  it('is answered 200 at 59', async () => {
    const seeded = await seedTestUserAndToken();
    scoreWith(59, ['NEW_COUNTRY']);
    const res = await refresh(app, seeded.refreshToken);
    expect(res.status).toBe(200);
    expect(res.body.requiresStepUp).toBe(false);
  });
});

describe.each([60, 89])('a refresh that scores %i', (score) => {
  it('is answered with the pinned 428: the rotated token and no access token', async () => {
    const seeded = await seedTestUserAndToken();
    await giveFactor(seeded);
    scoreWith(score, ['NEW_DEVICE', 'NEW_COUNTRY']);
    const res = await refresh(app, seeded.refreshToken);
    expect(res.status).toBe(428);
    expect(res.headers['content-type']).toMatch(/^application\/json/);
    expect(res.body).toStrictEqual({
      error: 'STEP_UP_REQUIRED',
      requiresStepUp: true,
      purpose: 'security_settings',
      refreshToken: expect.stringMatching(/^ghr_[\w-]{43}$/),
      score,
      reasons: ['NEW_DEVICE', 'NEW_COUNTRY'],
      challengeId: expect.stringMatching(/^chl_/),
      methods: ['totp'],
      expiresAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    });
    expect(res.body.refreshToken).not.toBe(seeded.refreshToken);
    expect(await liveTokensOf(seeded.staffId)).toMatchObject([
      { familyId: seeded.refreshTokenId, sessionId: seeded.sessionId },
    ]);
    expect(await liveSessionsOf(seeded.staffId)).toHaveLength(1);
    expect(await versionOf(seeded.staffId)).toBe(1);
  });
});

describe('after the 428 of a refresh', () => {
  it('the new token refreshes once the challenge was answered by its id', async () => {
    const seeded = await seedTestUserAndToken();
    const secret = await giveFactor(seeded);
    scoreWith(75);
    const { challengeId, refreshToken } = (await refresh(app, seeded.refreshToken)).body;
    expect((await answerChallenge(node, secret, { challengeId })).status).toBe(200);
    scoreWith(75);
    const res = await refresh(app, refreshToken);
    expect(res.status).toBe(200);
    expect((await me(app, res.body.accessToken)).body.sessionId).toBe(seeded.sessionId);
  });

  it('the new token refreshes once the challenge was answered with the cookie', async () => {
    const seeded = await seedTestUserAndToken();
    const secret = await giveFactor(seeded);
    scoreWith(75);
    const asked = await refresh(app, seeded.refreshToken);
    const cookie = browserOf(asked);
    expect((await answerChallenge(node, secret, { cookie })).status).toBe(200);
    scoreWith(75);
    expect((await refresh(app, asked.body.refreshToken)).status).toBe(200);
  });

  it('the new token gets another 428, a challenge of its own and no access token while nothing was answered', async () => {
    const seeded = await seedTestUserAndToken();
    const secret = await giveFactor(seeded);
    scoreWith(75);
    const first = await refresh(app, seeded.refreshToken);
    scoreWith(75);
    const second = await refresh(app, first.body.refreshToken);
    expect(second.status).toBe(428);
    expect(second.body.accessToken).toBeUndefined();
    expect(second.body.challengeId).not.toBe(first.body.challengeId);
    // The previous challenge is closed, because its proof would be for a token that is spent.
    const { challengeId } = first.body;
    expect((await answerChallenge(node, secret, { challengeId })).status).toBe(404);
    expect(await versionOf(seeded.staffId)).toBe(1);
  });

  it('asking again does not double the tries: the next challenge has those that were left', async () => {
    const seeded = await seedTestUserAndToken();
    const secret = await giveFactor(seeded);
    const [wrong = ''] = wrongCodes(secret, node.clock.now(), 1);
    const guess = (challengeId: string) =>
      request(app)
        .post('/api/security/step-up/verify')
        .send({ code: wrong, purpose: 'security_settings', challengeId });
    scoreWith(75);
    const first = (await refresh(app, seeded.refreshToken)).body;
    for (const left of [4, 3, 2]) {
      expect((await guess(first.challengeId)).body.attemptsLeft).toBe(left);
    }
    scoreWith(75);
    const second = (await refresh(app, first.refreshToken)).body;
    expect((await guess(second.challengeId)).body.attemptsLeft).toBe(1);
  });

  it('one answer lets one refresh through, and no second one', async () => {
    const seeded = await seedTestUserAndToken();
    const secret = await giveFactor(seeded);
    scoreWith(75);
    const asked = (await refresh(app, seeded.refreshToken)).body;
    await answerChallenge(node, secret, { challengeId: asked.challengeId });
    scoreWith(75);
    const passed = await refresh(app, asked.refreshToken);
    expect(passed.status).toBe(200);
    scoreWith(75);
    expect((await refresh(app, passed.body.refreshToken)).status).toBe(428);
  });

  it('the answer of one session lets no other session through', async () => {
    const seeded = await seedTestUserAndToken();
    const secret = await giveFactor(seeded);
    const other = (await login(app, seeded)).body;
    scoreWith(75);
    const asked = (await refresh(app, seeded.refreshToken)).body;
    await answerChallenge(node, secret, { challengeId: asked.challengeId });
    scoreWith(75);
    expect((await refresh(app, other.refreshToken)).status).toBe(428);
  });

  it('the old token is a replay like any other', async () => {
    const seeded = await seedTestUserAndToken();
    scoreWith(75);
    await refresh(app, seeded.refreshToken);
    const res = await refresh(app, seeded.refreshToken);
    expect(res.body).toStrictEqual({ error: 'FORCE_LOGOUT', reason: 'reuse_detected' });
  });

  it('the log says that it was suspicious, and later why it was let through', async () => {
    const seeded = await seedTestUserAndToken();
    const secret = await giveFactor(seeded);
    scoreWith(75, ['NEW_DEVICE']);
    const asked = (await refresh(app, seeded.refreshToken)).body;
    await answerChallenge(node, secret, { challengeId: asked.challengeId });
    scoreWith(75, ['NEW_DEVICE']);
    await refresh(app, asked.refreshToken);
    const about = { at: 'refresh', score: 75, reasons: ['NEW_DEVICE'] };
    expect(await auditOf('SUSPICIOUS_LOGIN_DETECTED', seeded.tenantId)).toMatchObject([
      { outcome: 'denied', details: { ...about, decision: 'step_up' } },
      { outcome: 'success', details: { ...about, decision: 'allowed_by_step_up' } },
    ]);
  });
});

describe.each([90, 100])('a refresh that scores %i', (score) => {
  it('forces a logout with the pinned 401 and ends the family and every session', async () => {
    const seeded = await seedTestUserAndToken();
    const elsewhere = (await login(app, seeded)).body;
    scoreWith(score, ['FAILED_ATTEMPTS_MANY']);
    const res = await refresh(app, seeded.refreshToken);
    expect(res.status).toBe(401);
    expect(res.body).toStrictEqual({ error: 'FORCE_LOGOUT', reason: 'anomaly_score' });
    expect(await versionOf(seeded.staffId)).toBe(2);
    expect(await liveTokensOf(seeded.staffId)).toHaveLength(0);
    expect(await liveSessionsOf(seeded.staffId)).toHaveLength(0);
    const family = (await tokensOf(seeded.staffId)).filter(
      ({ familyId }) => familyId === seeded.refreshTokenId,
    );
    expect(family).toMatchObject([{ revokeReason: 'security_event' }]);
    for (const { accessToken } of [seeded, elsewhere]) {
      expect((await me(app, accessToken)).status).toBe(401);
    }
    expect((await refresh(app, elsewhere.refreshToken)).status).toBe(401);
  });

  it('is written down as blocked at a refresh', async () => {
    const seeded = await seedTestUserAndToken();
    scoreWith(score, ['NEW_DEVICE']);
    await refresh(app, seeded.refreshToken, { 'x-correlation-id': `refused-${score}` });
    expect(await auditOf('LOGIN_BLOCKED', seeded.tenantId)).toMatchObject([
      {
        correlationId: `refused-${score}`,
        outcome: 'denied',
        sessionId: seeded.sessionId,
        details: { at: 'refresh', score, reasons: ['NEW_DEVICE'] },
      },
    ]);
  });
});

describe('the scorer', () => {
  it('is not asked about a token that could not be rotated', async () => {
    await refresh(app, `ghr_${'B'.repeat(43)}`);
    expect(scorer).not.toHaveBeenCalled();
  });
});
