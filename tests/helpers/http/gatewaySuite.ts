import { verify } from 'jsonwebtoken';
import { deps } from '@/server/app';
import { makeServiceKey } from '../people/programs';
import { seedTestUserAndToken } from '../seedAuth';
import { buildApp } from '../server/testApp';
import { serverPublicPem } from './forgeAccessToken';
import { callGateway } from './gatewayCall';
import type { GatewayParts } from './gateways';
import { listen } from './listen';
import { readingApi } from './readingApi';

/** A gateway, and how it is started with its example. */
export interface Gateway {
  name: string;
  start(parts: GatewayParts): Promise<string>;
}

const IDENTITY = [
  'user',
  'tenant',
  'tenant-id',
  'staff',
  'session',
  'permissions',
  'permissions-partial',
  'assertion',
];
const OURS = [...IDENTITY, 'service-key', 'client-address', 'error', 'challenge'];

const forge = (spell: (name: string) => string) =>
  Object.fromEntries(OURS.map((name) => [spell(name), 'forged']));

/** The ways to write a name that CGI, WSGI or PHP take for the name with hyphens. */
const TWINS: Record<string, (name: string) => string> = {
  underscores: (name) => `X_Gatehouse_${name.replaceAll('-', '_')}`,
  'the first underscore': (name) => `X_Gatehouse-${name}`,
  'the second underscore': (name) => `x-gatehouse_${name}`,
  dots: (name) => `X.Gatehouse.${name.replaceAll('-', '.')}`,
};

/** Ways to write the path of a protected route, for some server or other. */
const SPELLINGS = [
  ...['/reports', '/reports/', '/reports/1', '/REPORTS/1', '/Reports', '/reports?x=/public'],
  ...['//reports/1', '/reports//1', '///reports', '/./reports/1', '/x/../reports/1', '/reports/.'],
  ...['/x/..%2freports/1', '/%2e/reports/1', '/x/%2E%2e/reports/1', '/x%2f..%2Freports/1'],
  ...['/%72eports/1', '/%52EPORTS/1', '/reports%2f1', '/%2freports/1', '/reports%3bx/1'],
  ...['/reports;x=1/1', '/reports;/1', '/;x/reports/1', '/x/..;/reports/1', '/reports;x?y'],
  ...['/\\reports/1', '/x\\..\\reports/1', '/reports%5c1', '/x/%5c..%5Creports/1', '/reports\\1'],
  ...[
    '/%2572eports/1',
    '/reports%252f1',
    '/reports%00/1',
    '/x/.%2e/reports',
    '/public/..//reports',
  ],
];

/** Adds the tests of what every gateway must hold to. */
export function describeGateway({ name, start }: Gateway): void {
  describe(name, () => {
    let origin: string;
    let parts: GatewayParts;
    beforeAll(async () => {
      parts = {
        gatehouse: await listen(buildApp().app),
        upstream: await listen(readingApi()),
        serviceKey: await makeServiceKey(deps, ['introspect']),
      };
      origin = await start(parts);
    });

    const call = (
      path: string,
      token?: string,
      headers: Record<string, string> = {},
      at = origin,
    ) =>
      callGateway(at, path, {
        ...headers,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      });

    it('passes the identity on, and nothing that a client sent under its names', async () => {
      const who = await seedTestUserAndToken({ permissions: ['app:reports.read'] });
      const forged = forge((each) => `x-gatehouse-${each}`);
      const { status, body } = await call('/reports/1', who.token, forged);
      expect(status).toBe(200);
      const reached = body.headers ?? {};
      expect(reached).toMatchObject({
        'x-gatehouse-user': who.userId,
        'x-gatehouse-tenant': who.tenantSlug,
        'x-gatehouse-tenant-id': who.tenantId,
        'x-gatehouse-staff': who.staffId,
        'x-gatehouse-session': who.sessionId,
        'x-gatehouse-permissions': 'app:reports.read',
      });
      expect(JSON.stringify(reached)).not.toContain('forged');
      expect(JSON.stringify(reached)).not.toContain(parts.serviceKey);
      const claims = verify(String(reached['x-gatehouse-assertion']), serverPublicPem(), {
        algorithms: ['ES256'],
        audience: 'gatehouse-upstream',
      });
      expect(claims).toMatchObject({ sub: who.userId, tid: who.tenantId });
    });

    it.each(Object.entries(TWINS))(
      'passes on no name of an identity that is written with %s',
      async (_how, spell) => {
        const who = await seedTestUserAndToken();
        const { status, body } = await call('/', who.token, forge(spell));
        expect([200, 400]).toContain(status);
        expect(JSON.stringify(body)).not.toContain('forged');
        if (status === 200) expect(body.headers?.['x-gatehouse-user']).toBe(who.userId);
      },
    );

    it('lets no client take the identity away by naming its headers in Connection', async () => {
      const who = await seedTestUserAndToken({ permissions: ['app:reports.read'] });
      for (const named of ['x-gatehouse-user', 'X-Gatehouse-Service-Key', 'authorization']) {
        const connection = `close, ${named}, x-gatehouse-permissions`;
        const { status, body } = await call('/reports/1', who.token, { connection });
        expect([200, 400, 401]).toContain(status);
        if (status === 200) expect(body.headers?.['x-gatehouse-user']).toBe(who.userId);
      }
    });

    it('opens no protected route of the API to a path that is written in another way', async () => {
      const weak = await seedTestUserAndToken();
      const opened: unknown[] = [];
      for (const path of SPELLINGS) {
        const { status, body } = await call(path, weak.token);
        const reached = [body['byExpress'], body['freely']];
        if (status === 200 && reached.includes('reports')) opened.push([path, ...reached]);
        expect([path, status]).toEqual([path, expect.any(Number)]);
        expect((await call(path)).body.headers).toBeUndefined();
      }
      expect(opened).toEqual([]);
      const strong = await seedTestUserAndToken({ permissions: ['app:reports.read'] });
      for (const path of ['/reports', '/reports/1', '/REPORTS/1?x=1']) {
        const { status, body } = await call(path, strong.token);
        expect([path, status, body['byExpress'], body['freely']]).toEqual([
          ...[path, 200, 'reports', 'reports'],
        ]);
      }
      expect((await call('/reportsandmore/x%20y', weak.token)).status).toBe(200);
    });

    it('answers for every method', async () => {
      const { token } = await seedTestUserAndToken();
      const headers = { authorization: `Bearer ${token}`, 'content-length': '0' };
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
        const passed = await callGateway(origin, '/', headers, method);
        expect([method, passed.status]).toEqual([method, 200]);
        const denied = await callGateway(origin, '/reports/1', headers, method);
        expect([method, denied.status, denied.body['error']]).toEqual([method, 403, 'FORBIDDEN']);
      }
    });

    it('passes a person with hundreds of permissions, and says that the list is partial', async () => {
      const names = Array.from({ length: 400 }, (_, at) => `app:reports.of-section-${at}.read`);
      const { token } = await seedTestUserAndToken({ permissions: [...names, 'app:reports.read'] });
      const { status, body } = await call('/reports/1', token);
      expect([status, body['byExpress']]).toEqual([200, 'reports']);
      expect(body.headers).toMatchObject({
        'x-gatehouse-permissions': 'app:reports.read',
        'x-gatehouse-permissions-partial': 'true',
      });
      const few = await seedTestUserAndToken({ permissions: names });
      expect((await call('/reports/1', few.token)).status).toBe(403);
    });

    it('lets 401, 403 and the challenge of 428 reach the client', async () => {
      const who = await seedTestUserAndToken();
      const none = await call('/');
      expect(none.status).toBe(401);
      expect(none.headers['www-authenticate']).toContain('Bearer');
      expect((await call('/', 'nonsense')).status).toBe(401);
      const denied = await call('/reports/1', who.token);
      expect([denied.status, denied.body['error']]).toEqual([403, 'FORBIDDEN']);
      const asked = await call('/danger/1', who.token);
      expect([asked.status, asked.headers['www-authenticate']]).toEqual([
        428,
        expect.stringContaining('insufficient_user_authentication'),
      ]);
      expect(asked.headers['content-type']).toContain('application/json');
      expect(asked.body).toMatchObject({
        ...{ error: 'STEP_UP_REQUIRED', requiresStepUp: true, purpose: 'app:danger' },
        ...{ challengeId: expect.any(String), methods: expect.any(Array) },
      });
    });

    it('refuses while Gatehouse does not answer, or refuses the key of the gateway', async () => {
      const who = await seedTestUserAndToken();
      const nowhere = { ...parts, gatehouse: 'http://127.0.0.1:1' };
      const silent = await start(nowhere);
      expect((await call('/', who.token, {}, silent)).status).toBeGreaterThanOrEqual(500);
      const wrong = await start({ ...parts, serviceKey: 'ghk_nonsense' });
      expect((await call('/', who.token, {}, wrong)).status).toBe(401);
    });
  });
}
