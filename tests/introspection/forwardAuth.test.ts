import { eq } from 'drizzle-orm';
import { verify } from 'jsonwebtoken';
import request from 'supertest';
import { db } from '@/server/db';
import { tenantStaff } from '@/server/db/schema';
import { forceLogout } from '@/server/tenants';
import { auditOf } from '@/tests/helpers/database/authRows';
import {
  change,
  readToken,
  serverKey,
  serverPublicPem,
  signWith,
} from '@/tests/helpers/http/forgeAccessToken';
import { seedAdministrator } from '@/tests/helpers/people/administrator';
import { makeApiKey, makeServiceKey } from '@/tests/helpers/people/programs';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { openNode, operatorContext } from '@/tests/helpers/server/openNode';

const node = openNode();
const { app, deps } = node;
let key: string;
beforeAll(async () => {
  key = await makeServiceKey(deps, ['introspect']);
});

const ask = (token: string | undefined, query = '', more: Record<string, string> = {}) =>
  request(app)
    .get(`/api/forward-auth${query}`)
    .set('x-gatehouse-service-key', key)
    .set({ ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...more });
const refusal = (res: request.Response) => [
  res.status,
  res.body.error as string,
  res.headers['x-gatehouse-error'],
];

describe('the address of a gateway\u2019s client', () => {
  it('is the last entry of x-forwarded-for if the gateway says so, and never otherwise', async () => {
    const holder = await seedAdministrator();
    const made = await makeApiKey(app, holder, { addresses: ['203.0.113.7'] });
    const statusOf = async (query: string, sent: Record<string, string>) =>
      (await ask(made.key, query, sent)).status;
    const asked = '?address=x-forwarded-for';
    expect(await statusOf(asked, { 'x-forwarded-for': '198.51.100.9, 203.0.113.7' })).toBe(200);
    expect(await statusOf(asked, { 'x-forwarded-for': '203.0.113.7, 198.51.100.9' })).toBe(403);
    expect(await statusOf('', { 'x-forwarded-for': '203.0.113.7' })).toBe(403);
    for (const two of ['198.51.100.9, 203.0.113.7', '203.0.113.7, 198.51.100.9']) {
      expect(await statusOf('', { 'x-gatehouse-client-address': two })).toBe(403);
    }
    const own = { 'x-gatehouse-client-address': '203.0.113.7' };
    expect(await statusOf('', own)).toBe(200);
    expect(await statusOf(asked, { ...own, 'x-forwarded-for': '198.51.100.9' })).toBe(403);
    expect(await statusOf('?address=x-real-ip', own)).toBe(400);
  });
});

describe('a gateway that asks about a request', () => {
  it('gets the identity and an assertion that the upstream can check', async () => {
    const who = await seedTestUserAndToken({
      permissions: ['TENANT_STAFF_VIEW', 'API_KEYS_MANAGE'],
    });
    const res = await ask(who.token, '?permission=TENANT_STAFF_VIEW&permission=API_KEYS_MANAGE');
    expect([res.status, res.text]).toEqual([200, '']);
    expect(res.headers).toMatchObject({
      'x-gatehouse-user': who.userId,
      'x-gatehouse-tenant': who.tenantSlug,
      'x-gatehouse-tenant-id': who.tenantId,
      'x-gatehouse-staff': who.staffId,
      'x-gatehouse-session': who.sessionId,
      'x-gatehouse-permissions': 'API_KEYS_MANAGE TENANT_STAFF_VIEW',
    });
    const assertion = String(res.headers['x-gatehouse-assertion']);
    expect(readToken(assertion).header).toMatchObject({ typ: 'ga+jwt', alg: 'ES256' });
    const claims = verify(assertion, serverPublicPem(), {
      algorithms: ['ES256'],
      audience: 'gatehouse-upstream',
      issuer: deps.config.jwtIssuer,
      clockTimestamp: node.clock.now().getTime() / 1000,
    });
    expect(claims).toMatchObject({
      ...{ sub: who.userId, tid: who.tenantId, tenant: who.tenantSlug, staff_id: who.staffId },
      ...{ sid: who.sessionId, permissions: ['API_KEYS_MANAGE', 'TENANT_STAFF_VIEW'] },
    });
    const { exp, iat } = claims as { exp: number; iat: number };
    expect(exp - iat).toBe(60);
  });

  it('gets no assertion that passes as an access token, and takes none as one', async () => {
    const who = await seedTestUserAndToken();
    const assertion = String((await ask(who.token)).headers['x-gatehouse-assertion']);
    const parts = readToken(assertion);
    const sv = { claims: { sv: 1, aud: deps.config.jwtAudience } };
    for (const forged of [
      assertion,
      signWith(serverKey(), change(parts, sv)),
      signWith(serverKey(), change(parts, { header: { typ: 'at+jwt' } })),
    ]) {
      expect(refusal(await ask(forged))).toEqual([401, 'UNAUTHENTICATED', 'UNAUTHENTICATED']);
      const me = await request(app).get('/api/auth/me').set('authorization', `Bearer ${forged}`);
      expect(me.status).toBe(401);
    }
  });

  it('is refused with the error of the request, also in a header', async () => {
    const who = await seedTestUserAndToken();
    expect(refusal(await ask(undefined))).toEqual([401, 'UNAUTHENTICATED', 'UNAUTHENTICATED']);
    expect(refusal(await ask('nonsense'))).toEqual([401, 'UNAUTHENTICATED', 'UNAUTHENTICATED']);
    const denied = await ask(who.token, '?permission=TENANT_STAFF_VIEW');
    expect(refusal(denied)).toEqual([403, 'FORBIDDEN', 'FORBIDDEN']);
    expect(await auditOf('PERMISSION_DENIED', who.tenantId)).toMatchObject([
      { actor: who.staffId, details: { permission: 'TENANT_STAFF_VIEW' } },
    ]);
    await forceLogout(deps, operatorContext, who.tenantId, who.staffId);
    expect(refusal(await ask(who.token))).toEqual([401, 'FORCE_LOGOUT', 'FORCE_LOGOUT']);
  });

  it('learns of a permission that was taken away at the next request', async () => {
    const who = await seedTestUserAndToken({ permissions: ['app:projects.delete'] });
    const query = '?permission=app:projects.delete';
    expect((await ask(who.token, query)).status).toBe(200);
    await db.update(tenantStaff).set({ permissions: [] }).where(eq(tenantStaff.id, who.staffId));
    expect((await ask(who.token, query)).status).toBe(403);
  });

  it('gets all permissions up to 2048 bytes, and else those it asked for, and says so', async () => {
    const names = Array.from({ length: 400 }, (_, at) => `app:reports.of-section-${at}.read`);
    const many = await seedTestUserAndToken({ permissions: names });
    const query = `?permission=${names[7]}&permission=${names[399]}`;
    const { status, headers } = await ask(many.token, query);
    const listed = [names[399], names[7]];
    expect(status).toBe(200);
    expect(headers['x-gatehouse-permissions']).toBe(listed.join(' '));
    expect(headers['x-gatehouse-permissions-partial']).toBe('true');
    const { claims } = readToken(String(headers['x-gatehouse-assertion']));
    expect(claims).toMatchObject({ permissions: listed, permissions_partial: true });
    expect((await ask(many.token)).headers['x-gatehouse-permissions']).toBe('');
    expect((await ask(many.token, '?permission=app:reports')).status).toBe(403);

    const long = 'app:'.padEnd(60, 'x');
    const enough = Array.from({ length: 33 }, (_, at) => `${long}${String(at).padStart(2, '0')}`);
    const fit = [...enough.slice(1), `app:${'y'.repeat(2048 - 32 * 63 - 4)}`];
    expect(fit.join(' ')).toHaveLength(2048);
    const few = await seedTestUserAndToken({ permissions: fit });
    const whole = (await ask(few.token)).headers;
    expect(whole['x-gatehouse-permissions']).toBe([...fit].sort().join(' '));
    expect(whole['x-gatehouse-permissions-partial']).toBeUndefined();
    const head = Object.entries(whole).map((header) => `${header.join(': ')}\r\n`);
    expect(head.join('').length).toBeLessThan(8000);
    const over = await seedTestUserAndToken({
      permissions: [...fit.slice(0, -1), `${fit.at(-1)}z`],
    });
    expect((await ask(over.token)).headers['x-gatehouse-permissions-partial']).toBe('true');
  });

  it('gets the challenge of a step-up, as 403 if it asks for that', async () => {
    const who = await seedTestUserAndToken();
    const res = await ask(who.token, '?purpose=app:delete_project');
    expect(refusal(res)).toEqual([428, 'STEP_UP_REQUIRED', 'STEP_UP_REQUIRED']);
    expect(res.headers['www-authenticate']).toContain('max_age=600');
    const offer = String(res.headers['x-gatehouse-challenge']);
    expect(offer).toMatch(/^[\x20-\x7e]+$/);
    expect(JSON.parse(offer)).toEqual(res.body);
    const denied = await ask(who.token, '?purpose=app:delete_project&deny=403');
    expect(refusal(denied)).toEqual([403, 'STEP_UP_REQUIRED', 'STEP_UP_REQUIRED']);
  });

  it('refuses a question that is not well formed, and never with 500', async () => {
    const { token } = await seedTestUserAndToken();
    for (const query of [
      '?permission=',
      '?permission=no%20such',
      '?permission[x]=TENANT_STAFF_VIEW',
      '?purpose=security_settings',
      '?purpose=app:%00',
      '?windowSec=-1&purpose=app:x',
      '?deny=200',
      '?permision=TENANT_STAFF_VIEW',
    ]) {
      expect((await ask(token, query)).status).toBe(400);
    }
  });

  it('passes a program with the API key of a tenant, by the address that it reports', async () => {
    const admin = await seedAdministrator();
    const made = await makeApiKey(app, admin, { addresses: ['198.51.100.0/24'] });
    const from = (address: string) =>
      ask(made.key, '?permission=TENANT_STAFF_VIEW', { 'x-gatehouse-client-address': address });
    const res = await from('198.51.100.7');
    expect(res.status).toBe(200);
    expect(res.headers['x-gatehouse-session']).toBeUndefined();
    expect((await from('203.0.113.7')).body.error).toBe('KEY_ADDRESS_REFUSED');
    const person = await ask(made.key, '?purpose=app:x', {
      'x-gatehouse-client-address': '198.51.100.7',
    });
    expect(person.body.error).toBe('PERSON_REQUIRED');
  });

  it('must send a service key with the scope, and identity headers of a client count for nothing', async () => {
    const who = await seedTestUserAndToken();
    const bearer = { authorization: `Bearer ${who.token}`, 'x-gatehouse-user': 'somebody-else' };
    const without = await request(app).get('/api/forward-auth').set(bearer);
    expect(refusal(without)).toEqual([401, 'UNAUTHENTICATED', 'UNAUTHENTICATED']);
    const weak = await makeServiceKey(deps, ['tenants:manage']);
    const res = await ask(who.token, '', { 'x-gatehouse-service-key': weak });
    expect(refusal(res)).toEqual([403, 'FORBIDDEN', 'FORBIDDEN']);
    const planted = await ask(who.token, '', { 'x-gatehouse-user': 'somebody-else' });
    expect(planted.headers['x-gatehouse-user']).toBe(who.userId);
    const keyAsClient = await ask(key);
    expect(keyAsClient.status).toBe(401);
  });
});
