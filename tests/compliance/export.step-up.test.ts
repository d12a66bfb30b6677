import { asc, eq } from 'drizzle-orm';
import request from 'supertest';
import { app } from '@/server/app';
import { db } from '@/server/db';
import { auditLogs } from '@/server/db/schema';
import { codeAt, giveFactor } from '@/tests/helpers/stepUp/secondFactor';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';

const range = { from: '2026-01-01', to: '2026-01-31', format: 'csv' };
const ROUTES = ['/api/compliance/export/bundle', '/api/compliance/export/security-events'];

const ask = (path: string, token: string) =>
  request(app).post(path).set('authorization', `Bearer ${token}`).send(range);

async function exportEvents(tenantId: string) {
  const rows = await db
    .select()
    .from(auditLogs)
    .where(eq(auditLogs.tenantId, tenantId))
    .orderBy(asc(auditLogs.occurredAt), asc(auditLogs.id));
  return rows.filter(({ action }) => action.startsWith('DATA_EXPORT_'));
}

describe.each(ROUTES)('%s', (path) => {
  it('answers 403 to staff without the permission, before any step-up is offered', async () => {
    const { token } = await seedTestUserAndToken({ permissions: ['SOMETHING_ELSE'] });
    const res = await ask(path, token);
    expect(res.status).toBe(403);
    expect(res.body.error).toBe('FORBIDDEN');
  });

  it('answers 428 without a step-up and exports nothing', async () => {
    const seeded = await seedTestUserAndToken({ permissions: ['SETTINGS_SECURITY_VIEW'] });
    await giveFactor(seeded);
    const res = await ask(path, seeded.token);
    expect(res.status).toBe(428);
    expect(res.body).toStrictEqual({
      error: 'STEP_UP_REQUIRED',
      requiresStepUp: true,
      purpose: 'data_export',
      challengeId: expect.stringMatching(/^chl_/),
      methods: ['totp'],
      expiresAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    });
    expect(res.headers['www-authenticate']).toContain('insufficient_user_authentication');
    expect(await exportEvents(seeded.tenantId)).toEqual([]);
  });

  it('exports after a step-up, and records that it was requested and completed', async () => {
    const seeded = await seedTestUserAndToken({ permissions: ['SETTINGS_SECURITY_VIEW'] });
    const secret = await giveFactor(seeded);
    await ask(path, seeded.token).expect(428);
    await request(app)
      .post('/api/security/step-up/verify')
      .set('authorization', `Bearer ${seeded.token}`)
      .send({ code: codeAt(secret, new Date()), purpose: 'data_export' })
      .expect(200);
    const res = await ask(path, seeded.token).set('x-correlation-id', 'the-export');
    expect(res.status).toBe(200);

    const events = await exportEvents(seeded.tenantId);
    expect(events.map(({ action }) => action)).toEqual([
      'DATA_EXPORT_REQUESTED',
      'DATA_EXPORT_COMPLETED',
    ]);
    for (const event of events) {
      expect(event).toMatchObject({
        actor: seeded.staffId,
        sessionId: seeded.sessionId,
        correlationId: 'the-export',
        details: { from: '2026-01-01', to: '2026-01-31', format: 'csv' },
      });
    }
    expect(events[0]?.subject).toBe(events[1]?.subject);
  });

  describe('one proof', () => {
    async function seedProven() {
      const seeded = await seedTestUserAndToken({ permissions: ['SETTINGS_SECURITY_VIEW'] });
      const secret = await giveFactor(seeded);
      // The code of this time step or of the next: an earlier one could end before it arrives.
      const prove = (steps: number) =>
        request(app)
          .post('/api/security/step-up/verify')
          .set('authorization', `Bearer ${seeded.token}`)
          .send({ code: codeAt(secret, new Date(), steps), purpose: 'data_export' })
          .expect(200);
      await ask(path, seeded.token).expect(428);
      await prove(0);
      return { ...seeded, prove };
    }

    it('is good for one export, and the next one asks for another', async () => {
      const seeded = await seedProven();
      await ask(path, seeded.token).expect(200);
      const again = await ask(path, seeded.token);
      expect(again.status).toBe(428);
      expect(again.body).toMatchObject({ purpose: 'data_export' });
      await seeded.prove(1);
      await ask(path, seeded.token).expect(200);
    });

    it('lets one of many through that come at once', async () => {
      const seeded = await seedProven();
      const answers = await Promise.all(
        Array.from({ length: 6 }, () => ask(path, seeded.token).then(({ status }) => status)),
      );
      expect(answers.filter((status) => status === 200)).toHaveLength(1);
      const requested = await exportEvents(seeded.tenantId);
      expect(requested.filter(({ action }) => action === 'DATA_EXPORT_REQUESTED')).toHaveLength(1);
    });

    it('is not lost to an input that is refused', async () => {
      const seeded = await seedTestUserAndToken({ permissions: ['SETTINGS_SECURITY_VIEW'] });
      const secret = await giveFactor(seeded);
      const bearer = `Bearer ${seeded.token}`;
      const bad = () =>
        request(app).post(path).set('authorization', bearer).send({ from: 'never' });
      await bad().expect(428);
      const proof = { code: codeAt(secret, new Date()), purpose: 'data_export' };
      const verify = request(app).post('/api/security/step-up/verify');
      await verify.set('authorization', bearer).send(proof).expect(200);
      for (let count = 0; count < 2; count += 1) await bad().expect(400);
    });

    it('is for one range: another range asks for another, and leaves it as it is', async () => {
      const seeded = await seedProven();
      const other = request(app).post(path).set('authorization', `Bearer ${seeded.token}`);
      const range = { from: '2020-01-01', to: '2026-01-31', format: 'csv' };
      await other.send(range).expect(428);
      await ask(path, seeded.token).expect(200);
    });
  });
});
