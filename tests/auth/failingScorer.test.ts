import request from 'supertest';
import { app } from '@/server/app';
import { db } from '@/server/db';
import { auditLogs } from '@/server/db/schema';
import { computeAnomalyScoreOptimized } from '@/server/security/computeAnomalyScore';

jest.mock('@/server/security/computeAnomalyScore', () => ({
  computeAnomalyScoreOptimized: jest.fn(),
}));

const scorer = jest.mocked(computeAnomalyScoreOptimized);

const login = () =>
  request(app)
    .post('/api/auth/login')
    .send({ email: 'test@example.com', password: 'Password123!' });

async function skippedCauses(): Promise<unknown[]> {
  const rows = await db.select().from(auditLogs);
  return rows
    .filter(({ action }) => action === 'ANOMALY_CHECK_SKIPPED')
    .map(({ details }) => details['cause']);
}

describe('a failing scorer', () => {
  it('does not break a login when its table does not exist', async () => {
    scorer.mockRejectedValueOnce(new Error('relation "user_sessions" does not exist'));
    const res = await login();
    expect(res.status).toBe(200);
    expect(typeof res.body.accessToken).toBe('string');
    expect(typeof res.body.refreshToken).toBe('string');
    expect(res.body.requiresStepUp).toBe(false);
    expect(scorer).toHaveBeenCalledTimes(1);
    expect(await skippedCauses()).toEqual(['error']);
  });

  it('does not break a login when it throws before it returns a promise', async () => {
    scorer.mockImplementationOnce(() => {
      throw new TypeError('not even a promise');
    });
    expect((await login()).status).toBe(200);
  });

  it('does not break a login when it answers nonsense', async () => {
    scorer.mockResolvedValueOnce({ score: Number.NaN, reasons: [] });
    expect((await login()).status).toBe(200);
    scorer.mockResolvedValueOnce(undefined as never);
    expect((await login()).status).toBe(200);
  });

  it('is asked again however often it threw: a fault of its own is no reason to leave it alone', async () => {
    for (let fault = 0; fault < 6; fault += 1) {
      scorer.mockRejectedValueOnce(new Error('boom'));
      expect((await login()).status).toBe(200);
    }
    scorer.mockResolvedValueOnce({ score: 75, reasons: ['NEW_DEVICE'] });
    expect((await login()).status).toBe(428);
  });

  it('is not waited for past its deadline', async () => {
    scorer.mockReturnValueOnce(new Promise(() => undefined));
    expect((await login()).status).toBe(200);
    expect(await skippedCauses()).toContain('timeout');
  });

  it('does not break a refresh either, and the skipped check is audited', async () => {
    scorer.mockResolvedValueOnce({ score: 0, reasons: [] });
    const { refreshToken } = (await login()).body;
    const before = (await skippedCauses()).length;
    scorer.mockRejectedValueOnce(new Error('boom'));
    const res = await request(app).post('/api/auth/refresh').send({ refreshToken });
    expect(res.status).toBe(200);
    expect(typeof res.body.accessToken).toBe('string');
    expect((await skippedCauses()).length).toBe(before + 1);
  });
});
