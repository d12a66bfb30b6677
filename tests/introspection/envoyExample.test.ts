import express from 'express';
import { deps } from '@/server/app';
import { startEnvoyStandIn } from '@/tests/helpers/http/envoyStandIn';
import { callGateway } from '@/tests/helpers/http/gatewayCall';
import type { GatewayParts } from '@/tests/helpers/http/gateways';
import { listen } from '@/tests/helpers/http/listen';
import { readingApi } from '@/tests/helpers/http/readingApi';
import { seedAdministrator } from '@/tests/helpers/people/administrator';
import { makeApiKey, makeServiceKey } from '@/tests/helpers/people/programs';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app } = buildApp();
let parts: GatewayParts;
beforeAll(async () => {
  parts = {
    gatehouse: await listen(app),
    upstream: await listen(readingApi()),
    serviceKey: await makeServiceKey(deps, ['introspect']),
  };
});

/** Returns a change of the example, which must hold the text. */
const replacing = (from: string, to: string) => (text: string) => {
  if (!text.includes(from)) throw new Error(`the example does not hold ${from}`);
  return text.replaceAll(from, to);
};
const without = (name: string) => replacing(`- remove: ${name}\n`, '- remove: x-nothing\n');
const appending = replacing('OVERWRITE_IF_EXISTS_OR_ADD', 'APPEND_IF_EXISTS_OR_ADD');

/** The token of a person who may do nothing but what a client would like to be asked for. */
const cheapToken = async () => (await seedTestUserAndToken({ permissions: ['app:cheap'] })).token;

const call = (origin: string, path: string, token: string, headers: Record<string, string> = {}) =>
  callGateway(origin, path, { ...headers, authorization: `Bearer ${token}` });

/** What a client sends to lower the demand of a route. */
const CHEAP = { 'x-gatehouse-permission': 'app:cheap' };

describe('the example for Envoy, run by a stand-in and not by Envoy', () => {
  it('asks for what the route needs, whatever the client sends as the need', async () => {
    const origin = await startEnvoyStandIn(parts);
    const token = await cheapToken();
    expect((await call(origin, '/reports/1', token, CHEAP)).status).toBe(403);
    expect((await call(origin, '/reports?permission=app:cheap', token)).status).toBe(403);
    expect((await call(origin, '/danger', token, { 'x-gatehouse-purpose': '' })).status).toBe(428);
    const passed = await call(origin, '/', token, { 'x-gatehouse-permission': 'app:dear' });
    expect([passed.status, passed.body.headers?.['x-gatehouse-permission']]).toEqual([
      200,
      undefined,
    ]);
  });

  it('still does, if its list of removals has lost the header', async () => {
    const origin = await startEnvoyStandIn(parts, without('x-gatehouse-permission'));
    expect((await call(origin, '/reports/1', await cheapToken(), CHEAP)).status).toBe(403);
  });

  it('is refused if it also appends in place of overwriting: the need came twice', async () => {
    const strip = without('x-gatehouse-permission');
    const origin = await startEnvoyStandIn(parts, (text) => appending(strip(text)));
    const strong = await seedTestUserAndToken({ permissions: ['app:cheap', 'app:reports.read'] });
    const refused = await call(origin, '/reports/1', strong.token, CHEAP);
    expect([refused.status, refused.body['error']]).toEqual([400, 'INVALID_INPUT']);
    expect((await call(origin, '/reports/1', strong.token)).status).toBe(200);
  });

  it.each(['x-gatehouse-user', 'x-gatehouse-session', 'x-gatehouse-assertion'])(
    'is refused if it forgets to remove %s, and a client sends it',
    async (name) => {
      const origin = await startEnvoyStandIn(parts, without(name));
      const refused = await call(origin, '/', await cheapToken(), { [name]: 'forged' });
      expect([refused.status, refused.body['error']]).toEqual([400, 'INVALID_INPUT']);
    },
  );

  it('gives a program no session, also if the client sends one', async () => {
    const origin = await startEnvoyStandIn(parts);
    const admin = await seedAdministrator();
    const { key } = await makeApiKey(app, admin, { addresses: ['127.0.0.0/8'] });
    const { status, body } = await call(origin, '/', key, { 'x-gatehouse-session': 'forged' });
    expect([status, body.headers?.['x-gatehouse-session']]).toEqual([200, undefined]);
    expect(body.headers?.['x-gatehouse-user']).toBe(admin.userId);
  });

  it('answers 503 and asks the API nothing while Gatehouse fails, hangs up or does not answer', async () => {
    const soon = replacing('timeout: 3s', 'timeout: 0.2s');
    const faults: Record<string, express.RequestHandler> = {
      fails: (_req, res) => void res.sendStatus(500),
      'hangs up': (req) => void req.socket.destroy(),
      'does not answer': () => undefined,
    };
    for (const [fault, handler] of Object.entries(faults)) {
      const gatehouse = await listen(express().use(handler));
      const origin = await startEnvoyStandIn({ ...parts, gatehouse }, soon);
      const { status, body } = await call(origin, '/', 'any');
      expect([fault, status, body]).toEqual([fault, 503, {}]);
    }
  });
});
