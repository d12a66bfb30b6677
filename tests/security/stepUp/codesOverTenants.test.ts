import request from 'supertest';
import { db } from '@/server/db';
import { tenantStaff } from '@/server/db/schema';
import { askForProof } from '@/tests/helpers/stepUp/askForProof';
import { codeAt, giveFactor, wrongCodes } from '@/tests/helpers/stepUp/secondFactor';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp, createMovableClock } from '@/tests/helpers/server/testApp';

const WINDOW_SEC = 15 * 60;
const clock = createMovableClock();
const { app } = buildApp({}, { clock });

async function signIn(body: { email: string; password: string; tenant: string }): Promise<string> {
  const res = await request(app).post('/api/auth/login').send(body);
  expect(res.status).toBe(200);
  return String(res.body.accessToken);
}

/** Answers with a code, after the session has been asked for one. */
async function verify(token: string, code: string) {
  await askForProof(app, token, 'impersonation');
  return request(app)
    .post('/api/security/step-up/verify')
    .set('authorization', `Bearer ${token}`)
    .send({ code, purpose: 'impersonation' });
}

/** Creates a person with a membership and an authenticator in each of two tenants. */
async function seedTwice() {
  const here = await seedTestUserAndToken();
  const other = await seedTestUserAndToken();
  const { userId, email, password } = here;
  const [there] = await db
    .insert(tenantStaff)
    .values({ tenantId: other.tenantId, userId })
    .returning();
  const secrets = [
    await giveFactor(here),
    await giveFactor({ tenantId: other.tenantId, userId, staffId: there?.id ?? '' }),
  ] as const;
  /**
   * Signs in again each time, because access tokens live for minutes and windows for a quarter of
   * an hour.
   */
  const tokenIn = (which: 0 | 1) =>
    signIn({ email, password, tenant: [here.tenantSlug, other.tenantSlug][which] ?? '' });
  return { secrets, tokenIn };
}

it('wrong codes over the memberships of a person spend one budget, which a right code in any of them gives back', async () => {
  const { secrets, tokenIn } = await seedTwice();
  const guess = async (which: 0 | 1, times: number) => {
    const token = await tokenIn(which);
    for (const wrong of wrongCodes(secrets[which], clock.now(), times)) {
      await verify(token, wrong);
    }
  };
  const right = async (which: 0 | 1) =>
    verify(await tokenIn(which), codeAt(secrets[which], clock.now()));
  await guess(0, 5);
  await guess(1, 5);
  expect((await right(1)).body.error).toBe('TOO_MANY_ATTEMPTS');
  clock.forward(WINDOW_SEC + 1);
  expect((await right(1)).status).toBe(200);
  await guess(0, 9);
  expect((await right(0)).status).toBe(200);
});
