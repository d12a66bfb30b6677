import request from 'supertest';
import { sql } from 'drizzle-orm';
import { db } from '@/server/db';
import { auditOf } from '@/tests/helpers/database/authRows';
import { codeAt, wrongCodes } from '@/tests/helpers/stepUp/secondFactor';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

const webauthn = { rpId: 'gatehouse.example', origins: ['https://gatehouse.example'] };
const { app } = buildApp({ webauthn });
const other = buildApp({ webauthn });

const post = (node: typeof other.app, path: string, token: string, body: object = {}) =>
  request(node).post(`/api/security/${path}`).set('authorization', `Bearer ${token}`).send(body);

const KINDS = ['totp/enroll', 'passkeys/register/start'] as const;

describe('beginning to enrol', () => {
  it.each(KINDS)(
    'by %s is bounded over two nodes, says when to come back, and then goes on',
    async (path) => {
      const { token } = await seedTestUserAndToken();
      const answers = await Promise.all(
        Array.from({ length: 14 }, (_, n) => post(n % 2 ? app : other.app, path, token)),
      );
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(10);
      const refused = await post(app, path, token);
      expect([refused.status, refused.body.error]).toEqual([429, 'TOO_MANY_ATTEMPTS']);
      const seconds = Number(refused.headers['retry-after']);
      expect(seconds).toBeGreaterThan(3500);
      expect(seconds).toBeLessThanOrEqual(3600);
      const age = (left: number) =>
        db.execute(sql`UPDATE failed_attempts SET window_started_at = window_started_at - make_interval(secs => ${seconds - left})
          WHERE scope = 'enrolment'`);
      await age(30);
      expect((await post(app, path, token)).status).toBe(429);
      await db.execute(sql`UPDATE failed_attempts SET window_started_at = window_started_at - interval '31 seconds'
        WHERE scope = 'enrolment'`);
      expect((await post(app, path, token)).status).toBe(200);
    },
  );

  it.each(KINDS)('by %s is one event an hour, however often it is begun', async (path) => {
    const { token, tenantId } = await seedTestUserAndToken();
    for (let n = 0; n < 12; n += 1) await post(app, path, token);
    expect(await auditOf('FACTOR_ENROLLMENT_STARTED', tenantId)).toHaveLength(1);
  });

  it('counts for the person who does it, and for nobody else', async () => {
    const one = await seedTestUserAndToken();
    const colleague = await seedTestUserAndToken({ tenantId: one.tenantId });
    for (let n = 0; n < 11; n += 1) await post(app, 'totp/enroll', one.token);
    expect((await post(app, 'totp/enroll', colleague.token)).status).toBe(200);
  });
});

describe('a secret that waits to be confirmed', () => {
  it('is gone after ten wrong codes, also among twenty at a time, and the right one comes too late', async () => {
    const { token } = await seedTestUserAndToken();
    const { secret } = (await post(app, 'totp/enroll', token)).body;
    const wrong = wrongCodes(secret, new Date(), 20);
    const answers = await Promise.all(
      wrong.map((code, n) => post(n % 2 ? app : other.app, 'totp/confirm', token, { code })),
    );
    const codes = answers.map(({ body }) => body.error);
    expect(codes.filter((error) => error === 'INVALID_CODE')).toHaveLength(10);
    expect(codes.filter((error) => error === 'NOT_FOUND')).toHaveLength(10);
    const late = await post(app, 'totp/confirm', token, { code: codeAt(secret, new Date()) });
    expect([late.status, late.body.error]).toEqual([404, 'NOT_FOUND']);
    const again = (await post(app, 'totp/enroll', token)).body;
    const code = codeAt(again.secret, new Date());
    expect((await post(app, 'totp/confirm', token, { code })).status).toBe(200);
  });
});

describe('/openapi.json', () => {
  it('is the same to the byte each time', async () => {
    const [one, two] = [
      await request(app).get('/openapi.json'),
      await request(app).get('/openapi.json'),
    ];
    expect(one.headers['content-type']).toBe('application/json; charset=utf-8');
    expect(one.text).toBe(two.text);
  });
});
