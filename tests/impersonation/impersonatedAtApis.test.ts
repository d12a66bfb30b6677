import { decode } from 'jsonwebtoken';
import request from 'supertest';
import { createGuard } from '@/guard';
import type { Guard } from '@/guard';
import { auditOf } from '@/tests/helpers/database/authRows';
import { untilStats } from '@/tests/helpers/guard/fakeGatehouse';
import { listen } from '@/tests/helpers/http/listen';
import { logout } from '@/tests/helpers/http/authCalls';
import {
  IMPERSONATION,
  impersonate,
  seedPair,
  setRules,
} from '@/tests/helpers/people/impersonators';
import { as } from '@/tests/helpers/people/officer';
import { makeServiceKey, withKey } from '@/tests/helpers/people/programs';
import { changeAccess } from '@/server/tenants';
import { closeLater } from '@/tests/helpers/server/closing';
import { openNode, operatorContext } from '@/tests/helpers/server/openNode';

const { app, deps } = openNode();
let key: string;
beforeAll(async () => {
  key = await makeServiceKey(deps, ['introspect']);
});

const introspect = async (token: string) =>
  (await withKey(app, key).post('/api/token/introspect', { token })).body as Record<
    string,
    unknown
  >;

describe('an introspection of an impersonation', () => {
  it('names both people, with the permissions of both and no step-up, until it ends', async () => {
    const { actor, subject } = await seedPair();
    const { id, token } = await impersonate(app, { actor, subject }, { minutes: 2 });
    const said = await introspect(token);
    expect(said).toMatchObject({
      ...{ active: true, sub: subject.userId, staff_id: subject.staffId, sid: id },
      ...{ permissions: ['TENANT_STAFF_VIEW'], roles: [], amr: [], acr: 'aal1', step_ups: [] },
      act: {
        ...{ sub: actor.userId, staff_id: actor.staffId, sid: actor.sessionId },
        scope: 'read_only',
      },
    });
    expect(said).not.toHaveProperty('degraded');
    expect(said['expires_in']).toBeLessThanOrEqual(120);
    await as(app, actor).post(`${IMPERSONATION}/stop`, {}).expect(200);
    expect(await introspect(token)).toEqual({ active: false });
  });

  it('gives no step-up, and records that one was asked for', async () => {
    const { actor, subject } = await seedPair();
    const { id, token } = await impersonate(app, { actor, subject });
    const res = await withKey(app, key).post('/api/token/step-up', { token, purpose: 'app:x' });
    expect([res.status, res.body.error, res.body.refusal]).toEqual([
      ...[403, 'IMPERSONATION_REFUSED', 'step_up'],
    ]);
    expect(await auditOf('IMPERSONATION_REFUSED', actor.tenantId)).toMatchObject([
      {
        ...{ actor: actor.staffId, onBehalfOf: subject.staffId, sessionId: actor.sessionId },
        ...{ subject: `impersonation:${id}`, details: { refusal: 'step_up' } },
      },
    ]);
  });
});

describe('a gateway that asks about an impersonation', () => {
  const ask = (token: string, query: string, headers: Record<string, string> = {}) =>
    request(app)
      .get(`/api/forward-auth${query}`)
      .set('x-gatehouse-service-key', key)
      .set({ authorization: `Bearer ${token}`, ...headers });
  const GET = { 'x-forwarded-method': 'GET' };
  const POST = { 'x-forwarded-method': 'POST' };

  it.each([
    ['?method=GET', {}, 200],
    ['?method=HEAD', POST, 200],
    ['?method=forwarded', GET, 200],
    ['?method=forwarded', POST, 403],
    ['?method=forwarded', {}, 403],
    ['?method=POST', GET, 403],
    ['?method=get', {}, 400],
    ['', GET, 403],
    ['?method=GET&purpose=app:x', {}, 403],
  ])('in read_only with %s and %j gets %i', async (query, headers, status) => {
    const { token } = await impersonate(app, await seedPair());
    expect((await ask(token, query, headers)).status).toBe(status);
  });

  it('lets each method pass in full, and gets an assertion with both people', async () => {
    const { actor, subject } = await seedPair();
    await setRules(app, actor.tenantId, { mode: 'full' });
    const { id, token } = await impersonate(app, { actor, subject }, { scope: 'full' });
    const res = await ask(token, '?method=DELETE');
    expect([res.status, res.headers['x-gatehouse-staff']]).toEqual([200, subject.staffId]);
    expect(decode(String(res.headers['x-gatehouse-assertion']))).toMatchObject({
      ...{ sub: subject.userId, sid: id },
      act: { sub: actor.userId, staff_id: actor.staffId, sid: actor.sessionId, scope: 'full' },
    });
  });

  it('of Envoy is answered by the method of the request itself', async () => {
    const { token } = await impersonate(app, await seedPair());
    const send = (method: 'get' | 'post') =>
      request(app)
        [method]('/api/forward-auth/envoy/anything')
        .set({ 'x-gatehouse-service-key': key, authorization: `Bearer ${token}` });
    expect((await send('get')).status).toBe(200);
    expect((await send('post')).status).toBe(403);
  });
});

describe('the guard', () => {
  let guard: Guard;
  beforeAll(async () => {
    guard = createGuard({
      ...{ url: await listen(app), serviceKey: key, maxStalenessMs: 60_000 },
      fetch: (input, init) =>
        fetch((input as URL).href.replace(/heartbeatMs=\d+/, 'heartbeatMs=100'), init),
    });
    closeLater(() => guard.close());
    await untilStats(guard, ({ stalenessMs }) => stalenessMs !== null);
  });

  const decide = async (token: string, method?: string, need = {}) => {
    const decision = await guard.decide(`Bearer ${token}`, need, { method });
    return decision.allowed ? decision.principal : decision.refusal.status;
  };

  /** Returns what the body of a refusal says about impersonations, as at Gatehouse's own routes. */
  const refusalOf = async (token: string, method: string, need = {}) => {
    const decision = await guard.decide(`Bearer ${token}`, need, { method });
    return decision.allowed ? undefined : decision.refusal.body['refusal'];
  };

  it('admits GET and HEAD alone in read_only, no proof in either scope, and shows who acts', async () => {
    const { actor, subject } = await seedPair();
    await setRules(app, actor.tenantId, { mode: 'full' });
    const reading = await impersonate(app, { actor, subject });
    expect(await decide(reading.token, 'GET')).toMatchObject({
      ...{ userId: subject.userId, staffId: subject.staffId, sessionId: reading.id },
      actor: { userId: actor.userId, staffId: actor.staffId, scope: 'read_only' },
    });
    expect(await decide(reading.token, 'HEAD')).toMatchObject({ staffId: subject.staffId });
    for (const method of ['POST', 'PUT', 'get', undefined]) {
      expect(await decide(reading.token, method)).toBe(403);
    }
    expect(await decide(reading.token, 'GET', { stepUp: { purpose: 'app:x' } })).toBe(403);
    expect(await refusalOf(reading.token, 'POST')).toBe('route');
    const need = { stepUp: { purpose: 'app:x' } };
    expect(await refusalOf(reading.token, 'GET', need)).toBe('step_up');
    await as(app, actor).post(`${IMPERSONATION}/stop`, {}).expect(200);
    const acting = await impersonate(app, { actor, subject }, { scope: 'full' });
    expect(await decide(acting.token, 'POST')).toMatchObject({ actor: { scope: 'full' } });
  });

  it.each([
    ['it is stopped', 401, ({ actor }) => as(app, actor).post(`${IMPERSONATION}/stop`, {})],
    ['the actor signs out', 401, ({ actor }) => logout(app, actor.token)],
    [
      'the actor loses a permission',
      403,
      ({ actor }) =>
        changeAccess(
          ...([deps, operatorContext, actor] as const),
          { permissions: { set: ['IMPERSONATE'] } },
          { via: 'operator' },
        ),
    ],
  ] as [string, number, (pair: Awaited<ReturnType<typeof seedPair>>) => Promise<unknown>][])(
    'forgets what it has kept when %s',
    async (_what, status, end) => {
      const pair = await seedPair();
      const { token } = await impersonate(app, pair);
      const need = { permissions: ['TENANT_STAFF_VIEW'] };
      const { kept } = guard.stats();
      expect(await decide(token, 'GET', need)).toMatchObject({ staffId: pair.subject.staffId });
      await untilStats(guard, (stats) => stats.kept === kept + 1);
      await end(pair);
      await untilStats(guard, (stats) => stats.kept === kept);
      expect(await decide(token, 'GET', need)).toBe(status);
    },
  );
});
