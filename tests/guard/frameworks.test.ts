import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import express from 'express';
import fastify from 'fastify';
import { Hono } from 'hono';
import request from 'supertest';
import { createGuard } from '@/guard';
import { db } from '@/server/db';
import { auditOf } from '@/tests/helpers/database/authRows';
import { ask } from '@/tests/helpers/database/askDatabase';
import { listen } from '@/tests/helpers/http/listen';
import { makeApiKey, makeServiceKey } from '@/tests/helpers/people/programs';
import { seedAdministrator } from '@/tests/helpers/people/administrator';
import { HOME, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';
import { closeLater } from '@/tests/helpers/server/closing';
import { openNode } from '@/tests/helpers/server/openNode';
import { codeAt } from '@/tests/helpers/stepUp/secondFactor';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { untilStats } from '@/tests/helpers/guard/fakeGatehouse';

const { app, clock, deps } = openNode();
const databaseUrl = process.env['DATABASE_URL'] ?? '';
const VIEW = 'app:projects.view';
const PURPOSE = 'app:delete_project';

let guard: ReturnType<typeof createGuard>;
const origins: Record<string, string> = {};
beforeAll(async () => {
  const serviceKey = await makeServiceKey(deps, ['introspect']);
  guard = createGuard({ url: await listen(app), serviceKey });
  closeLater(() => guard.close());
  await untilStats(guard, ({ stalenessMs }) => stalenessMs !== null);
  origins['Express'] = await listen(expressApi());
  origins['Fastify'] = await fastifyApi();
  origins['Hono'] = await nodeApi(honoHandler());
  origins['node:http'] = await nodeApi(plainHandler());
});

function expressApi() {
  const { requirePermission, requireStepUp, consumeStepUp } = guard.express;
  const api = express();
  api.use(express.json());
  api.get('/projects', requirePermission(VIEW), (req, res) => {
    res.json({ tenant: guard.principalOf(req).tenant });
  });
  api.put('/projects/:id', requirePermission(VIEW), requireStepUp(PURPOSE), (_req, res) => {
    res.json({ changed: true });
  });
  api.delete('/projects/:id', requirePermission(VIEW), consumeStepUp(PURPOSE), (_req, res) => {
    res.json({ deleted: true });
  });
  return api;
}

async function fastifyApi(): Promise<string> {
  const { requirePermission, requireStepUp, consumeStepUp } = guard.fastify;
  const api = fastify();
  api.get('/projects', { preHandler: requirePermission(VIEW) }, (req) => ({
    tenant: guard.principalOf(req).tenant,
  }));
  const change = [requirePermission(VIEW), requireStepUp(PURPOSE)];
  api.put('/projects/:id', { preHandler: change }, () => ({ changed: true }));
  const remove = [requirePermission(VIEW), consumeStepUp(PURPOSE)];
  api.delete('/projects/:id', { preHandler: remove }, () => ({ deleted: true }));
  closeLater(() => api.close());
  return api.listen({ port: 0, host: '127.0.0.1' });
}

type Handler = (req: Request) => Promise<Response> | Response;

function honoHandler(): (url: string) => Handler {
  const { requirePermission, requireStepUp, consumeStepUp } = guard.hono;
  const api = new Hono();
  api.get('/projects', requirePermission(VIEW), (c) =>
    c.json({ tenant: guard.principalOf(c.req.raw).tenant }),
  );
  api.put('/projects/:id', requirePermission(VIEW), requireStepUp(PURPOSE), (c) =>
    c.json({ changed: true }),
  );
  api.delete('/projects/:id', requirePermission(VIEW), consumeStepUp(PURPOSE), (c) =>
    c.json({ deleted: true }),
  );
  return () => (req) => api.fetch(req);
}

/** The same routes with nothing but the guard for the Fetch standard and an act of one's own. */
function plainHandler(): (url: string) => Handler {
  const permissions = [VIEW];
  return () => async (req) => {
    const { pathname } = new URL(req.url);
    const act = {
      name: 'DELETE /projects/:id',
      digest: Buffer.from(pathname.padEnd(32)).toString('hex').slice(0, 64),
    };
    const need =
      req.method === 'GET'
        ? { permissions }
        : req.method === 'PUT'
          ? { permissions, stepUp: { purpose: PURPOSE } }
          : { permissions, consume: { purpose: PURPOSE, act } };
    const refused = await guard.fetch(req, need);
    if (refused) return refused;
    if (req.method === 'GET') return Response.json({ tenant: guard.principalOf(req).tenant });
    return Response.json(req.method === 'PUT' ? { changed: true } : { deleted: true });
  };
}

/** Serves a handler of the Fetch standard by node:http. */
async function nodeApi(make: (url: string) => Handler): Promise<string> {
  let handler: Handler = () => new Response();
  const server = createServer((req, res) => {
    const headers = new Headers(
      Object.entries(req.headers).map(([name, value]) => [name, String(value)]),
    );
    const call = async () => {
      const answer = await handler(
        new Request(`${url}${req.url}`, { method: req.method ?? '', headers }),
      );
      res.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text());
    };
    void call();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  handler = make(url);
  closeLater(() => new Promise((resolve) => server.close(resolve)));
  return url;
}

async function seedSignedIn(permissions = [VIEW]) {
  const member = await seedTraveller(app);
  await ask(databaseUrl, 'UPDATE tenant_staff SET permissions = $1 WHERE id = $2', [
    permissions,
    member.staffId,
  ]);
  const { body } = await attemptLogin(app, member, HOME);
  const token = String(body.accessToken);
  const prove = async (challengeId: unknown) => {
    clock.advance(30);
    const code = codeAt(member.secret, clock.now());
    await request(app)
      .post('/api/security/step-up/verify')
      .set('authorization', `Bearer ${token}`)
      .send({ code, purpose: PURPOSE, challengeId })
      .expect(200);
  };
  return { ...member, token, prove };
}
type Method = 'get' | 'put' | 'delete';
const send = (origin: string, method: Method, path: string, token?: string) => {
  const call = request(origin)[method](path);
  return token === undefined ? call : call.set('authorization', `Bearer ${token}`);
};

describe.each(['Express', 'Fastify', 'Hono', 'node:http'])('a guarded API with %s', (name) => {
  const call = (method: Method, path: string, token?: string) =>
    send(origins[name] ?? '', method, path, token);

  it('answers 401, 403 and 200 by the token and its permissions', async () => {
    const [may, mayNot] = [await seedSignedIn(), await seedSignedIn([])];
    const none = await call('get', '/projects');
    expect([none.status, none.headers['www-authenticate']]).toEqual([401, 'Bearer']);
    expect((await call('get', '/projects', 'x')).status).toBe(401);
    const refused = await call('get', '/projects', mayNot.token);
    expect([refused.status, refused.body.error]).toEqual([403, 'FORBIDDEN']);
    const allowed = await call('get', '/projects', may.token);
    expect([allowed.status, allowed.body]).toEqual([200, { tenant: may.tenantSlug }]);
  });

  it('refuses the session and the permission as soon as the guard knows of the change', async () => {
    const who = await seedSignedIn();
    expect((await call('get', '/projects', who.token)).status).toBe(200);
    const { resets } = guard.stats();
    const kept = guard.stats().kept;
    await ask(databaseUrl, `UPDATE tenant_staff SET permissions = '{}' WHERE id = $1`, [
      who.staffId,
    ]);
    await untilStats(guard, (stats) => stats.kept < kept);
    expect((await call('get', '/projects', who.token)).status).toBe(403);
    await ask(databaseUrl, 'UPDATE user_sessions SET revoked_at = now() WHERE staff_id = $1', [
      who.staffId,
    ]);
    await untilStats(guard, (stats) => stats.kept < kept);
    expect((await call('get', '/projects', who.token)).status).toBe(401);
    expect(guard.stats().resets).toBe(resets);
  });

  it('asks for a step-up with the challenge that Gatehouse made, and lets it count for a time', async () => {
    const who = await seedSignedIn();
    const asked = await call('put', '/projects/7', who.token);
    expect(asked.status).toBe(428);
    expect(asked.headers['www-authenticate']).toMatch(/insufficient_user_authentication.*max_age=/);
    const body = asked.body as { challengeId?: string };
    expect(body).toMatchObject({ error: 'STEP_UP_REQUIRED', purpose: PURPOSE, methods: ['totp'] });
    await who.prove(body.challengeId);
    for (const id of [7, 8]) {
      expect((await call('put', `/projects/${id}`, who.token)).body).toEqual({ changed: true });
    }
    // A proof for a time is no proof for an act.
    expect((await call('delete', '/projects/7', who.token)).status).toBe(428);
  });

  it('uses a proof for one act once, and for no other act', async () => {
    const who = await seedSignedIn();
    const asked = await call('delete', '/projects/7', who.token);
    expect(asked.status).toBe(428);
    await who.prove((asked.body as { challengeId?: string }).challengeId);
    expect((await call('delete', '/projects/8', who.token)).status).toBe(428);
    const both = await Promise.all([1, 2].map(() => call('delete', '/projects/7', who.token)));
    expect(both.map(({ status }) => status).sort()).toEqual([200, 428]);
    expect(await auditOf('STEP_UP_CONSUMED', who.tenantId)).toHaveLength(1);
  });
});

describe('a program', () => {
  it('gets through a guard with its API key, until the key is revoked', async () => {
    const holder = await seedAdministrator();
    await db.execute(
      `UPDATE tenant_staff SET permissions = permissions || '{${VIEW}}' WHERE id = '${holder.staffId}'`,
    );
    const { id, key } = await makeApiKey(app, holder, { permissions: [] });
    const origin = origins['Express'] ?? '';
    expect((await send(origin, 'get', '/projects', key)).status).toBe(403);
    await ask(databaseUrl, `UPDATE api_keys SET permissions = '{${VIEW}}' WHERE id = $1`, [id]);
    await untilStats(guard, ({ stalenessMs }) => stalenessMs !== null && stalenessMs < 200);
    await pollStatus(origin, key, 200);
    expect((await send(origin, 'put', '/projects/1', key)).status).toBe(403);
    await ask(databaseUrl, 'UPDATE api_keys SET revoked_at = now() WHERE id = $1', [id]);
    await pollStatus(origin, key, 401);
  });
});

const pollStatus = (origin: string, key: string, status: number) =>
  pollUntil(
    'the guard hears of the change',
    () => send(origin, 'get', '/projects', key),
    (res) => res.status === status,
  );
