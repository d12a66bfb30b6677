import { existsSync } from 'node:fs';
import express from 'express';
import { verify } from 'jsonwebtoken';
import { deps } from '@/server/app';
import { serverPublicPem } from '@/tests/helpers/http/forgeAccessToken';
import { startCaddy, startNginx } from '@/tests/helpers/http/gateways';
import type { GatewayParts } from '@/tests/helpers/http/gateways';
import { listen } from '@/tests/helpers/http/listen';
import { makeServiceKey } from '@/tests/helpers/people/programs';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

const PROGRAMS = [
  { name: 'nginx', command: process.env['NGINX'] ?? '/usr/sbin/nginx', start: startNginx },
  { name: 'Caddy', command: process.env['CADDY'] ?? '/usr/bin/caddy', start: startCaddy },
];
const installed = PROGRAMS.filter(({ command }) => existsSync(command));
for (const { name, command } of PROGRAMS.filter((each) => !installed.includes(each))) {
  process.stderr.write(`No ${name} was found at ${command}, so its example does not run.\n`);
}

/** An API that answers with the headers that reached it. */
const upstreamApp = () => {
  const app = express();
  app.use((req, res) => {
    res.json({ path: req.path, headers: req.headers });
  });
  return app;
};

interface Reached {
  status: number;
  headers: Headers;
  body: { headers?: Record<string, string>; [field: string]: unknown };
}

const FORGED = {
  'x-gatehouse-user': 'forged',
  'x-gatehouse-tenant': 'forged',
  'x-gatehouse-tenant-id': 'forged',
  'x-gatehouse-staff': 'forged',
  'x-gatehouse-session': 'forged',
  'x-gatehouse-permissions': 'app:everything',
  'x-gatehouse-assertion': 'forged',
  'x-gatehouse-service-key': 'forged',
  'x-gatehouse-error': 'forged',
};

describe.each(installed)('$name with the example', ({ command, start }) => {
  let origin: string;
  let parts: GatewayParts;
  beforeAll(async () => {
    parts = {
      gatehouse: await listen(buildApp().app),
      upstream: await listen(upstreamApp()),
      serviceKey: await makeServiceKey(deps, ['introspect']),
    };
    origin = await start(command, parts);
  });

  async function call(path: string, token?: string, at = origin): Promise<Reached> {
    const bearer = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const res = await fetch(at + path, { headers: { ...FORGED, ...bearer } });
    const text = await res.text();
    const isJson = text.startsWith('{');
    const body = (isJson ? JSON.parse(text) : {}) as Reached['body'];
    return { status: res.status, headers: res.headers, body };
  }

  it('passes the identity on, and nothing that a client sent under its names', async () => {
    const who = await seedTestUserAndToken({ permissions: ['app:reports.read'] });
    const { status, body } = await call('/reports/1', who.token);
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

  it('lets 401, 403 and the challenge of 428 reach the client', async () => {
    const who = await seedTestUserAndToken();
    const none = await call('/');
    expect(none.status).toBe(401);
    expect(none.headers.get('www-authenticate')).toContain('Bearer');
    expect((await call('/', 'nonsense')).status).toBe(401);
    const denied = await call('/reports/1', who.token);
    expect([denied.status, denied.body['error']]).toEqual([403, 'FORBIDDEN']);
    const asked = await call('/danger/1', who.token);
    expect([asked.status, asked.headers.get('www-authenticate')]).toEqual([
      428,
      expect.stringContaining('insufficient_user_authentication'),
    ]);
    expect(asked.body).toMatchObject({
      ...{ error: 'STEP_UP_REQUIRED', requiresStepUp: true, purpose: 'app:danger' },
      ...{ challengeId: expect.any(String), methods: expect.any(Array) },
    });
  });

  it('refuses while Gatehouse does not answer, or refuses the key of the gateway', async () => {
    const who = await seedTestUserAndToken();
    const nowhere = { ...parts, gatehouse: 'http://127.0.0.1:1' };
    const silent = await start(command, nowhere);
    expect((await call('/', who.token, silent)).status).toBeGreaterThanOrEqual(500);
    const wrong = await start(command, { ...parts, serviceKey: 'ghk_nonsense' });
    expect((await call('/', who.token, wrong)).status).toBe(401);
  });
});
