import { eq, sql } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { stepUpChallenges } from '@/server/db/schema';
import { disableStaff, enableStaff, forceLogout } from '@/server/tenants';
import { askForProof } from '@/tests/helpers/stepUp/askForProof';
import { liveSessionsOf } from '@/tests/helpers/database/authRows';
import { openNode, operatorContext } from '@/tests/helpers/server/openNode';
import { codeAt, giveFactor } from '@/tests/helpers/stepUp/secondFactor';
import { startMailServer } from '@/tests/helpers/mail/mailServer';
import { ABROAD, HOME, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';
import type { Traveller } from '@/tests/helpers/people/traveller';

const { app, deps, clock } = openNode((config) => ({ ...config, accessTokenTtlSec: 3600 }));
const other = openNode();
const PURPOSE = 'security_settings';

const verify = (body: object, token?: string) => {
  const call = request(app).post('/api/security/step-up/verify');
  return (token === undefined ? call : call.set('authorization', `Bearer ${token}`)).send(body);
};
const complete = (challengeId: string, at = app) =>
  request(at).post('/api/auth/login/complete').set(ABROAD).send({ challengeId });
const outcome = (res: request.Response) => [res.status, res.body.error];

interface Waiting extends Traveller {
  challengeId: string;
}

/** Creates a person whose login from abroad waits for a proof. */
async function seedWaiting(): Promise<Waiting> {
  const member = await seedTraveller(app);
  const res = await attemptLogin(app, member, ABROAD);
  expect(res.status).toBe(428);
  return { ...member, challengeId: String(res.body.challengeId) };
}

const proofOf = ({ secret, challengeId }: Waiting) => ({
  code: codeAt(secret, clock.now()),
  purpose: PURPOSE,
  challengeId,
});

/** Creates a person whose login from abroad was proven, but is not completed. */
async function seedProven(): Promise<Waiting> {
  const member = await seedWaiting();
  expect((await verify(proofOf(member))).status).toBe(200);
  return member;
}

const signIn = async (who: Traveller) =>
  (await attemptLogin(app, who, HOME)).body as { accessToken: string; refreshToken: string };

const asBearer = (token: string) => `Bearer ${token}`;

/** Each way in which a person's sessions end, or the factor of a proof is removed. */
const ENDS: [string, (who: Traveller) => Promise<unknown>][] = [
  ['a forced logout', (who) => forceLogout(deps, operatorContext, who.tenantId, who.staffId)],
  ['disabling the account', (who) => disableStaff(deps, operatorContext, who, { via: 'operator' })],
  [
    'disabling the account and enabling it again',
    async (who) => {
      await disableStaff(deps, operatorContext, who, { via: 'operator' });
      await enableStaff(deps, operatorContext, who, { via: 'operator' });
    },
  ],
  [
    'signing out everywhere',
    async (who) => {
      const { accessToken } = await signIn(who);
      const out = request(app).post('/api/auth/logout-all');
      await out.set('authorization', asBearer(accessToken)).expect(204);
    },
  ],
  [
    'a refresh token that came back',
    async (who) => {
      const { refreshToken } = await signIn(who);
      const refresh = () => request(app).post('/api/auth/refresh').set(HOME).send({ refreshToken });
      await refresh().expect(200);
      await refresh().expect(401);
    },
  ],
  ['an operator who replaces the authenticator', (who) => giveFactor(who)],
  [
    'removing the authenticator',
    async (who) => {
      const { accessToken } = await signIn(who);
      const { rows } = await db.execute<{ id: string }>(
        sql`SELECT id FROM user_totp WHERE staff_id = ${who.staffId}`,
      );
      const remove = request(app).delete(`/api/security/factors/${rows[0]?.id}`);
      await remove
        .set('authorization', asBearer(accessToken))
        .set('x-stepup-test-bypass', '1')
        .expect(204);
    },
  ],
];

describe('a login that was proven and not finished', () => {
  it.each(ENDS)('ends with %s', async (_name, end) => {
    const member = await seedProven();
    await end(member);
    const before = await liveSessionsOf(member.staffId);
    expect(outcome(await complete(member.challengeId))).toEqual([404, 'CHALLENGE_NOT_FOUND']);
    expect(await liveSessionsOf(member.staffId)).toEqual(before);
  });

  it('ends with the version alone, on a node that knows nothing of the challenge', async () => {
    const member = await seedProven();
    await db.execute(
      sql`UPDATE tenant_staff SET session_version = session_version + 1 WHERE id = ${member.staffId}`,
    );
    expect(outcome(await complete(member.challengeId, other.app))).toEqual([
      404,
      'CHALLENGE_NOT_FOUND',
    ]);
  });

  it('does not finish if it was begun by a release that kept no version', async () => {
    const member = await seedProven();
    await db
      .update(stepUpChallenges)
      .set({ sessionVersion: null })
      .where(eq(stepUpChallenges.staffId, member.staffId));
    expect((await complete(member.challengeId)).status).toBe(404);
  });

  it('leaves no live session, however it and a forced logout come at once', async () => {
    for (let round = 0; round < 5; round += 1) {
      const member = await seedProven();
      const [finished] = await Promise.all([
        complete(member.challengeId, other.app),
        forceLogout(deps, operatorContext, member.tenantId, member.staffId),
      ]);
      expect([200, 401, 404]).toContain(finished.status);
      if (finished.status !== 200) continue;
      const bearer = asBearer(finished.body.accessToken as string);
      const me = await request(app).get('/api/auth/me').set('authorization', bearer);
      expect(me.status).toBe(401);
    }
  });
});

describe('a login that waits for its proof', () => {
  it.each(ENDS)('ends with %s: the right code is not looked at any more', async (_name, end) => {
    const member = await seedWaiting();
    await end(member);
    const { code, ...rest } = proofOf(member);
    const res = await verify({ code, ...rest });
    expect(outcome(res)).toEqual([404, 'CHALLENGE_NOT_FOUND']);
    expect(outcome(await complete(member.challengeId))).toEqual([404, 'CHALLENGE_NOT_FOUND']);
  });
});

describe('a proof that was given in a session', () => {
  const remove = (token: string) =>
    request(app)
      .post('/api/security/recovery-codes')
      .set('authorization', asBearer(token))
      .send({});

  it('ends when an operator replaces the authenticator that it was given with', async () => {
    const member = await seedTraveller(app);
    const { accessToken } = await signIn(member);
    await remove(accessToken).expect(428);
    const code = codeAt(member.secret, clock.now());
    await verify({ code, purpose: PURPOSE }, accessToken).expect(200);
    await giveFactor(member);
    await remove(accessToken).expect(428);
  });

  it('ends with its session: nothing of it can be verified after a logout', async () => {
    const member = await seedTraveller(app);
    const { accessToken } = await signIn(member);
    await askForProof(app, accessToken, PURPOSE);
    const out = request(app).post('/api/auth/logout');
    await out.set('authorization', asBearer(accessToken)).expect(204);
    const [row] = await db
      .select()
      .from(stepUpChallenges)
      .where(eq(stepUpChallenges.staffId, member.staffId));
    expect(row?.revokedAt).toBeInstanceOf(Date);
  });

  it('does not survive a removal that comes at the same time', async () => {
    for (let round = 0; round < 5; round += 1) {
      const member = await seedWaiting();
      await Promise.all([verify(proofOf(member)), giveFactor(member)]);
      expect((await complete(member.challengeId)).status).not.toBe(200);
    }
  });
});

it('"End all sessions" in a mail ends the login of whoever waits to finish it', async () => {
  const server = await startMailServer();
  const node = openNode((config) => ({ ...config, mail: server.settings() }));
  const member = await seedProven();
  await attemptLogin(node.app, member, { ...HOME, 'user-agent': 'Another laptop' });
  const { text } = await server.mailTo(member.email);
  const path = /https?:\/\/[^/\s]+(\/\S*notices\/\S+)/.exec(text)?.[1] ?? '';
  const form = 'application/x-www-form-urlencoded';
  await request(node.app).post(path).set('content-type', form).send('').expect(200);
  expect(outcome(await complete(member.challengeId))).toEqual([404, 'CHALLENGE_NOT_FOUND']);
});
