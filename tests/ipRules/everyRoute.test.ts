import { randomUUID } from 'node:crypto';
import request from 'supertest';
import type { Response } from 'supertest';
import { routeTable } from '@/server/createApp';
import { db } from '@/server/db';
import { ipRuleSets, ipRules } from '@/server/db/schema';
import type { Route } from '@/server/http/routeTable';
import { BUILT_IN_PERMISSIONS } from '@/server/permissions';
import { auditOf, sessionsOf, withoutTable } from '@/tests/helpers/database/authRows';
import { fromAddress, login, refresh } from '@/tests/helpers/http/authCalls';
import type { Sweep } from '@/tests/helpers/isolation/aim';
import { AREAS } from '@/tests/helpers/isolation/areas';
import { inventIds } from '@/tests/helpers/isolation/inventIds';
import { prepareSnapshot } from '@/tests/helpers/isolation/targetSnapshot';
import { from } from '@/tests/helpers/people/addressed';
import { makeApiKey } from '@/tests/helpers/people/programs';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

/** A mail about the key of this test would be sent in the middle of a comparison. */
const { app, deps } = buildApp({}, { sendsMail: false });
const table = routeTable(deps);
const sweeps: Sweep = Object.assign({}, ...Object.values(AREAS));
const OFFICE = '203.0.113.7';
const OUTSIDE = '198.51.100.9';
const TARGETS = ['people', 'api_keys'] as const;

const bearerOf = ({ guards }: Route) => guards.find(({ bearer }) => bearer)?.bearer;
const keysOf = ({ guards }: Route) => guards.find(({ keys }) => keys)?.keys;
const isFromAnywhere = ({ guards }: Route) => guards.some((guard) => guard.fromAnywhere);
/** A gateway asks about somebody else: tests/ipRules/reportedAddress.test.ts. */
const ASKS_FOR_OTHERS = '/api/forward-auth';
const ofPeople = table.filter(
  (route) =>
    bearerOf(route) === 'required' &&
    keysOf(route) !== 'service' &&
    keysOf(route) !== 'scim' &&
    !isFromAnywhere(route) &&
    !route.path.startsWith(ASKS_FOR_OTHERS),
);
const ofKeys = ofPeople.filter((route) => keysOf(route) === 'api');
const methodsOf = ({ method }: Route) => (method === 'get' ? (['get', 'head'] as const) : [method]);
const titled = (routes: readonly Route[]) =>
  routes.flatMap((route) =>
    methodsOf(route).map((method) => [`${method} ${route.path}`, method, route] as const),
  );

let me: SeededAuth;
let key: string;
let snapshot: Awaited<ReturnType<typeof prepareSnapshot>>;

beforeAll(async () => {
  me = await seedTestUserAndToken({ permissions: [...BUILT_IN_PERMISSIONS] });
  const permissions = BUILT_IN_PERMISSIONS.filter((one) => one !== 'SCIM_PROVISION');
  ({ key } = await makeApiKey(app, me, { permissions }));
  const { tenantId } = me;
  await db.insert(ipRuleSets).values({ tenantId });
  const rule = { tenantId, action: 'allow' as const, range: '203.0.113.0/24' };
  await db.insert(ipRules).values(TARGETS.map((appliesTo) => ({ ...rule, appliesTo })));
  // Otherwise this node would see rules that SQL wrote only within a second.
  deps.ipRules.forget();
  snapshot = await prepareSnapshot();
});

/** Sends a request with everything in order but the address. */
async function send(
  method: 'get' | 'head' | 'post' | 'put' | 'patch' | 'delete' | 'options',
  { method: own, path }: Route,
  { token, from, at = app }: { token?: string; from?: string; at?: typeof app },
): Promise<Response> {
  const traveller = { ...me, secret: 'A'.repeat(32) };
  const [aim] = sweeps[`${own} ${path}`]?.(inventIds(), traveller) ?? [];
  return request(at)
    [method](aim?.path ?? path)
    .query(aim?.query ?? {})
    .set(from === undefined ? {} : fromAddress(from))
    .set(token === undefined ? {} : { authorization: `Bearer ${token}` })
    .set('x-stepup-test-bypass', '1')
    .send(aim?.body);
}

/** Returns all rows of the tenant but the events of refusals, and when a session or key was last seen. */
async function readRows() {
  const rows = await snapshot({ ...inventIds(), tenantId: me.tenantId, userId: me.userId });
  return { ...rows, audit_logs: [], user_sessions: [], access_changes: [] };
}

describe('a valid credential from an address that the rules refuse', () => {
  it.each(titled(ofPeople))(
    '%s refuses the access token with 403 IP_BLOCKED, and changes nothing',
    async (_title, method, route) => {
      const before = await readRows();
      const res = await send(method, route, { token: me.token, from: OUTSIDE });
      expect(res.status).toBe(403);
      if (method !== 'head') expect(res.body.error).toBe('IP_BLOCKED');
      expect(await readRows()).toEqual(before);
    },
  );

  it.each(titled(ofKeys))(
    '%s refuses the API key with 403 IP_BLOCKED, and changes nothing',
    async (_title, method, route) => {
      const before = await readRows();
      const res = await send(method, route, { token: key, from: OUTSIDE });
      expect(res.status).toBe(403);
      if (method !== 'head') expect(res.body.error).toBe('IP_BLOCKED');
      expect(await readRows()).toEqual(before);
    },
  );

  it('OPTIONS of every route answers as it does without a credential', async () => {
    for (const route of table) {
      const named = await send('options', route, { token: me.token, from: OUTSIDE });
      const bare = await send('options', route, { from: OUTSIDE });
      expect([route.path, named.status, named.body.error]).toEqual([
        route.path,
        bare.status,
        bare.body.error,
      ]);
      expect(JSON.stringify(named.headers)).not.toContain(me.tenantId);
    }
  });

  it('a route that works with or without a session takes nobody for the person', async () => {
    const optional = table.filter(
      (route) => bearerOf(route) === 'optional' && !isFromAnywhere(route),
    );
    const before = await readRows();
    const answers: unknown[] = [];
    for (const route of optional) {
      const res = await send(route.method, route, { token: me.token, from: OUTSIDE });
      answers.push([route.path, res.status, res.body.error]);
    }
    expect(answers).toEqual([
      ['/api/security/step-up/start', 403, 'IP_BLOCKED'],
      ['/api/security/step-up/verify', 403, 'IP_BLOCKED'],
      ['/api/invitations/:token/accept', 403, 'IP_BLOCKED'],
    ]);
    expect(await readRows()).toEqual(before);
  });

  it('is recorded, and the same requests pass from the office', async () => {
    const [event] = await auditOf('IP_RULE_BLOCKED', me.tenantId);
    expect(event).toMatchObject({ outcome: 'denied', details: { address: OUTSIDE } });
    const path = ofKeys.find((route) => route.path === '/api/tenants/current') as Route;
    for (const token of [me.token, key]) {
      expect((await send('get', path, { token, from: OFFICE })).status).toBe(200);
      expect((await send('head', path, { token, from: OFFICE })).status).toBe(200);
    }
  });
});

describe('a forged X-Forwarded-For', () => {
  it('from a peer that is no trusted proxy lets nobody in: the address of the peer counts', async () => {
    const { app: direct } = buildApp({ trustProxy: false });
    const route = table.find(({ path }) => path === '/api/auth/me') as Route;
    for (const from of [OFFICE, `${OFFICE}, ${OFFICE}`, `${OUTSIDE}, ${OFFICE}`, undefined]) {
      const about = { token: me.token, at: direct, ...(from === undefined ? {} : { from }) };
      const res = await send('get', route, about);
      expect([from, res.status, res.body.error]).toEqual([from, 403, 'IP_BLOCKED']);
    }
    // What a client writes in front of the address that the trusted proxy saw counts for nothing.
    const behind = await send('get', route, { token: me.token, from: `${OFFICE}, ${OUTSIDE}` });
    expect([behind.status, behind.body.error]).toEqual([403, 'IP_BLOCKED']);
  });

  it('from there neither signs in nor spends a refresh token', async () => {
    const { app: direct } = buildApp({ trustProxy: false });
    const member = await seedTestUserAndToken({ tenantId: me.tenantId });
    const forged = fromAddress(OFFICE);
    expect((await login(direct, member, forged)).body.error).toBe('IP_BLOCKED');
    expect((await refresh(direct, member.refreshToken, forged)).body.error).toBe('IP_BLOCKED');
    expect((await refresh(app, member.refreshToken, forged)).status).toBe(200);
  });
});

describe('from an address that the rules refuse, a person', () => {
  const away = fromAddress(OUTSIDE);
  const send = (method: 'post' | 'delete', path: string, { token }: { token: string }) =>
    request(app)
      [method](path)
      .set({ ...away, authorization: `Bearer ${token}` });
  const atOffice = async ({ token }: { token: string }) => {
    const bearer = { ...fromAddress(OFFICE), authorization: `Bearer ${token}` };
    return (await request(app).get('/api/auth/me').set(bearer)).status;
  };

  it('can use no route but those that end their own sessions', () => {
    const open = table.filter(isFromAnywhere).map(({ method, path }) => `${method} ${path}`);
    expect(open).toEqual([
      'delete /api/auth/sessions/:id',
      'post /api/auth/logout',
      'post /api/auth/logout-all',
    ]);
  });

  it('signs out with the access token alone, on this device or on all', async () => {
    const member = await seedTestUserAndToken({ tenantId: me.tenantId });
    const second = { token: (await login(app, member, fromAddress(OFFICE))).body.accessToken };
    const third = { token: (await login(app, member, fromAddress(OFFICE))).body.accessToken };
    expect((await send('post', '/api/auth/logout', member)).status).toBe(204);
    expect([await atOffice(member), await atOffice(second)]).toEqual([401, 200]);
    expect((await send('post', '/api/auth/logout-all', second)).status).toBe(204);
    expect([await atOffice(second), await atOffice(third)]).toEqual([401, 401]);
    expect(await auditOf('AUTH_LOGOUT', me.tenantId)).toMatchObject([
      { ip: OUTSIDE, actor: member.staffId, details: { scope: 'session' } },
      { ip: OUTSIDE, actor: member.staffId, details: { scope: 'all' } },
    ]);
  });

  it('ends one of their own sessions, and none of somebody else', async () => {
    const member = await seedTestUserAndToken({ tenantId: me.tenantId });
    const colleague = await seedTestUserAndToken({ tenantId: me.tenantId });
    const { accessToken } = (await login(app, member, fromAddress(OFFICE))).body;
    const lost = (await sessionsOf(member.staffId)).find(({ id }) => id !== member.sessionId);
    const foreign = await send('delete', `/api/auth/sessions/${colleague.sessionId}`, member);
    expect([foreign.status, await atOffice(colleague)]).toEqual([404, 200]);
    expect((await send('delete', `/api/auth/sessions/${lost?.id}`, member)).status).toBe(204);
    expect([await atOffice({ token: accessToken }), await atOffice(member)]).toEqual([401, 200]);
  });

  it('who acts as somebody else signs nobody out: that is refused, and ends the impersonation', async () => {
    const { tenantId } = me;
    const actor = await seedTestUserAndToken({ tenantId, permissions: ['IMPERSONATE'] });
    const subject = await seedTestUserAndToken({ tenantId });
    const begun = await from(app, actor, OFFICE).post('/api/security/impersonation/start', {
      ...{ staffId: subject.staffId, reason: 'To see what they see' },
    });
    const token = String(begun.body.accessToken);
    const out = await send('post', '/api/auth/logout-all', { token });
    expect([out.status, out.body.error]).toEqual([403, 'IP_BLOCKED']);
    expect([await atOffice(subject), await atOffice({ token })]).toEqual([200, 401]);
  });

  it('signs out while the rules cannot be read, too', async () => {
    const member = await seedTestUserAndToken({ tenantId: me.tenantId });
    await withoutTable('ip_rules', async () => {
      const { app: unread } = buildApp();
      const bearer = { ...away, authorization: `Bearer ${member.token}` };
      const [refused, out] = [
        await request(unread).get('/api/auth/me').set(bearer),
        await request(unread).post('/api/auth/logout').set(bearer),
      ];
      expect([refused.status, refused.body.error, out.status]).toEqual([
        503,
        'IP_RULES_UNAVAILABLE',
        204,
      ]);
    });
    expect(await atOffice(member)).toBe(401);
  });
});

it('signing out with a refresh token works from every address', async () => {
  const member = await seedTestUserAndToken({ tenantId: me.tenantId });
  const { refreshToken } = member;
  const away = fromAddress(OUTSIDE);
  expect((await refresh(app, refreshToken, away)).body.error).toBe('IP_BLOCKED');
  const out = await request(app).post('/api/auth/logout').set(away).send({ refreshToken });
  expect(out.status).toBe(204);
  const after = await refresh(app, refreshToken, fromAddress(OFFICE));
  expect([after.status, after.body.error]).toEqual([401, 'INVALID_REFRESH_TOKEN']);
  const both = await seedTestUserAndToken({ tenantId: me.tenantId });
  const bearer = { authorization: `Bearer ${both.token}` };
  const sent = request(app)
    .post('/api/auth/logout')
    .set({ ...away, ...bearer });
  expect((await sent.send({ refreshToken: both.refreshToken })).status).toBe(204);
  const nobody = { refreshToken: `ghr_${randomUUID()}` };
  const unknown = await request(app).post('/api/auth/logout').set(away).send(nobody);
  expect(unknown.status).toBe(204);
});
