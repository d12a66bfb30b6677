import { eq, sql } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { tenantStaff, tenants, userSessions } from '@/server/db/schema';
import { uuidV7 } from '@/server/db/ids';
import { revokeServiceKey } from '@/server/service';
import { forceLogout } from '@/server/tenants';
import { auditOf, withoutTable } from '@/tests/helpers/database/authRows';
import { logout, refresh } from '@/tests/helpers/http/authCalls';
import {
  change,
  readToken,
  serverKey,
  signWith,
  strangersKey,
} from '@/tests/helpers/http/forgeAccessToken';
import { seedAdministrator } from '@/tests/helpers/people/administrator';
import { makeApiKey, makeServiceKey, withKey } from '@/tests/helpers/people/programs';
import { ABROAD, HOME } from '@/tests/helpers/people/traveller';
import { signInWith } from '@/tests/helpers/people/signInWith';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { openLimitedNode } from '@/tests/helpers/server/limitedNode';
import { openNode, operatorContext } from '@/tests/helpers/server/openNode';

const node = openNode();
const other = openNode();
const { app, deps } = node;
const INACTIVE = { active: false };

let key: string;
beforeAll(async () => {
  key = await makeServiceKey(deps, ['introspect']);
});

const ask = (token: string, more: object = {}, at = app) =>
  withKey(at, key).post('/api/token/introspect', { token, ...more });
const answerTo = async (token: string, more: object = {}, at = app) => {
  const res = await ask(token, more, at);
  expect(res.status).toBe(200);
  return res.body as Record<string, unknown>;
};

describe('an introspection of an access token', () => {
  it('says whose it is, what they may do, and how long the answer can hold', async () => {
    const who = await seedTestUserAndToken({
      permissions: ['TENANT_STAFF_VIEW', 'API_KEYS_MANAGE'],
    });
    const { claims } = readToken(who.token);
    const body = await answerTo(who.token);
    expect(body).toStrictEqual({
      ...{ active: true, token_type: 'Bearer', iss: claims['iss'], aud: claims['aud'] },
      ...{ sub: who.userId, tid: who.tenantId, tenant: who.tenantSlug, staff_id: who.staffId },
      ...{ sid: who.sessionId, sv: 1, jti: claims['jti'], iat: claims['iat'], exp: claims['exp'] },
      ...{ expires_in: expect.any(Number), username: who.email, name: null },
      ...{ permissions: ['API_KEYS_MANAGE', 'TENANT_STAFF_VIEW'], roles: [] },
      ...{ amr: [], acr: 'aal1', auth_time: expect.any(Number), step_ups: [] },
    });
  });

  it('takes a form as RFC 7662 wants it', async () => {
    const { token } = await seedTestUserAndToken();
    const res = await request(app)
      .post('/api/token/introspect')
      .set('authorization', `Bearer ${key}`)
      .type('form')
      .send({ token, token_type_hint: 'access_token' });
    expect([res.status, res.body.active]).toEqual([200, true]);
  });

  it('counts to the end of the session if that comes before the end of the token', async () => {
    const who = await seedTestUserAndToken();
    const expiresAt = new Date(node.clock.now().getTime() + 7_500);
    await db.update(userSessions).set({ expiresAt }).where(eq(userSessions.id, who.sessionId));
    expect((await answerTo(who.token))['expires_in']).toBeCloseTo(7.5, 0);
  });

  it.each([
    ['the password alone', 'none', ['pwd'], 'aal1'],
    ['a code of their authenticator', 'totp', ['pwd', 'otp', 'mfa'], 'aal2'],
    ['a passkey', 'passkey', ['pwd', 'hwk', 'mfa'], 'aal2'],
    ['a recovery code', 'recovery_code', ['pwd', 'rc', 'mfa'], 'aal2'],
    ['a mailed code, which is no second factor', 'email', ['pwd', 'email'], 'aal1'],
  ] as const)(
    'says that the person signed in with %s, and when, also after a refresh',
    async (_proof, method, amr, acr) => {
      const before = Math.floor(node.clock.now().getTime() / 1000);
      const first = await signInWith(node, method);
      const after = Math.ceil(node.clock.now().getTime() / 1000);
      const told = await answerTo(first.accessToken);
      expect(told).toMatchObject({ amr, acr });
      const authTime = Number(told['auth_time']);
      expect(authTime).toBeGreaterThanOrEqual(before);
      expect(authTime).toBeLessThanOrEqual(after);
      const later = openNode();
      later.clock.advance(60);
      const from = method === 'none' ? HOME : ABROAD;
      const { body } = await refresh(later.app, first.refreshToken, from);
      const renewed = await answerTo(String(body.accessToken), {}, later.app);
      expect(renewed).toMatchObject({ amr, acr, auth_time: authTime });
      expect(Number(renewed['iat'])).toBeGreaterThan(authTime + 50);
    },
  );

  it('is exact to the last commit, on every node', async () => {
    const ends: ((who: Awaited<ReturnType<typeof seedTestUserAndToken>>) => Promise<unknown>)[] = [
      (who) => logout(app, who.token),
      (who) => forceLogout(deps, operatorContext, who.tenantId, who.staffId),
      (who) =>
        db.update(tenantStaff).set({ status: 'disabled' }).where(eq(tenantStaff.id, who.staffId)),
      (who) => db.update(tenants).set({ status: 'suspended' }).where(eq(tenants.id, who.tenantId)),
      (who) =>
        db
          .update(userSessions)
          .set({ revokedAt: new Date() })
          .where(eq(userSessions.id, who.sessionId)),
      (who) =>
        db.execute(
          sql`UPDATE tenant_staff SET session_version = session_version + 1 WHERE id = ${who.staffId}`,
        ),
    ];
    for (const end of ends) {
      const who = await seedTestUserAndToken();
      expect((await answerTo(who.token, {}, other.app))['active']).toBe(true);
      await end(who);
      expect(await answerTo(who.token, {}, other.app)).toStrictEqual(INACTIVE);
    }
  });

  it('tells a permission that was taken away between two questions', async () => {
    const who = await seedTestUserAndToken({ permissions: ['TENANT_STAFF_VIEW'] });
    expect((await answerTo(who.token))['permissions']).toEqual(['TENANT_STAFF_VIEW']);
    await db.update(tenantStaff).set({ permissions: [] }).where(eq(tenantStaff.id, who.staffId));
    expect((await answerTo(who.token))['permissions']).toEqual([]);
  });

  it('calls a forged, foreign or swapped token inactive, without a reason', async () => {
    const who = await seedTestUserAndToken();
    const parts = readToken(who.token);
    const foreign = [
      signWith(strangersKey(), parts),
      signWith(serverKey(), change(parts, { claims: { iss: 'urn:somebody-else' } })),
      signWith(serverKey(), change(parts, { claims: { aud: 'gatehouse-upstream' } })),
      signWith(serverKey(), change(parts, { header: { typ: 'ga+jwt' } })),
      signWith(serverKey(), change(parts, { claims: { tid: uuidV7(0, Buffer.alloc(16, 7)) } })),
      who.refreshToken,
      key,
      'nonsense',
      'x'.repeat(8000),
    ];
    for (const token of foreign) expect(await answerTo(token)).toStrictEqual(INACTIVE);
  });

  it('marks the answer while user_sessions is missing, and stays right about versions', async () => {
    const late = openNode();
    const who = await seedTestUserAndToken();
    await withoutTable('user_sessions', async () => {
      expect(await answerTo(who.token, {}, late.app)).toMatchObject({
        active: true,
        degraded: true,
        step_ups: [],
      });
      await db.execute(
        sql`UPDATE tenant_staff SET session_version = session_version + 1 WHERE id = ${who.staffId}`,
      );
      expect(await answerTo(who.token, {}, late.app)).toStrictEqual(INACTIVE);
    });
  });

  it('answers fifty questions at once as it answers one', async () => {
    const people = await Promise.all(Array.from({ length: 10 }, () => seedTestUserAndToken()));
    const asked = Array.from({ length: 50 }, (_, index) => people[index % 10]);
    const answers = await Promise.all(asked.map((who) => answerTo(String(who?.token))));
    expect(answers.map(({ sub }) => sub)).toEqual(asked.map((who) => who?.userId));
  });
});

describe('an introspection of an API key', () => {
  it("says the holder and those of the key's permissions that they still have", async () => {
    const admin = await seedAdministrator();
    const made = await makeApiKey(app, admin);
    expect(await answerTo(made.key)).toStrictEqual({
      ...{ active: true, token_type: 'api_key', api_key_id: made.id, key_name: made.name },
      ...{ sub: admin.userId, tid: admin.tenantId, tenant: admin.tenantSlug },
      ...{ staff_id: admin.staffId, username: admin.email, name: null, roles: [], step_ups: [] },
      ...{ permissions: ['TENANT_STAFF_VIEW'] },
      exp: Math.floor(Date.parse(made.expiresAt) / 1000),
      expires_in: expect.any(Number),
    });
    await db.update(tenantStaff).set({ permissions: [] }).where(eq(tenantStaff.id, admin.staffId));
    expect((await answerTo(made.key))['permissions']).toEqual([]);
  });

  it('holds for the addresses of the key alone, and records another one', async () => {
    const admin = await seedAdministrator();
    const made = await makeApiKey(app, admin, { addresses: ['198.51.100.0/24'] });
    expect((await answerTo(made.key, { address: '198.51.100.7' }))['active']).toBe(true);
    expect(await answerTo(made.key)).toStrictEqual(INACTIVE);
    expect(await answerTo(made.key, { address: '203.0.113.9' })).toStrictEqual(INACTIVE);
    expect(await auditOf('API_KEY_REFUSED', admin.tenantId)).toMatchObject([
      { subject: `api-key:${made.id}`, details: { reason: 'address' } },
    ]);
    expect((await ask(made.key, { address: 'nowhere' })).status).toBe(400);
  });
});

describe('the service that asks', () => {
  it('needs a live service key with the scope', async () => {
    const { token } = await seedTestUserAndToken();
    const admin = await seedAdministrator();
    const refused = async (credential: string) => {
      const res = await withKey(app, credential).post('/api/token/introspect', { token });
      return [res.status, res.body.error as string];
    };
    const weak = await makeServiceKey(deps, ['tenants:manage']);
    expect(await refused(weak)).toEqual([403, 'FORBIDDEN']);
    expect(await refused(token)).toEqual([401, 'UNAUTHENTICATED']);
    expect(await refused((await makeApiKey(app, admin)).key)).toEqual([401, 'UNAUTHENTICATED']);
    const ended = await makeServiceKey(deps, ['introspect']);
    const { id } = (await withKey(app, ended).get('/api/service/self')).body as { id: string };
    await revokeServiceKey(deps, operatorContext, id);
    expect(await refused(ended)).toEqual([401, 'UNAUTHENTICATED']);
  });

  it('has a quota for its questions that other requests with its key do not use', async () => {
    const { app: limited } = openLimitedNode({ introspect: 2, key: 1 });
    const program = withKey(limited, await makeServiceKey(deps, ['introspect']));
    const question = () => program.post('/api/token/introspect', { token: 'nonsense' });
    await program.get('/api/service/self').expect(200);
    await question().expect(200);
    await question().expect(200);
    const refused = await question();
    expect([refused.status, refused.body.violatedPolicies]).toEqual([429, ['introspect']]);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    await program.get('/api/service/self').expect(429);
  });
});
