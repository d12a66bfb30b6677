import request from 'supertest';
import { auditOf } from '@/tests/helpers/database/authRows';
import { seedAdministrator } from '@/tests/helpers/people/administrator';
import { makeApiKey, makeServiceKey } from '@/tests/helpers/people/programs';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { openNode } from '@/tests/helpers/server/openNode';

const { app, deps } = openNode();
const PATH = '/api/forward-auth/envoy';
let key: string;
beforeAll(async () => {
  key = await makeServiceKey(deps, ['introspect']);
});

type Headers = Record<string, string | string[]>;
const METHODS = ['get', 'head', 'post', 'put', 'patch', 'delete', 'options', 'propfind'] as const;

function ask(token: string, path = '/', headers: Headers = {}, method: string = 'get') {
  const agent = request(app) as unknown as Record<string, (path: string) => request.Test>;
  const question = agent[method]?.(PATH + path);
  if (!question) throw new Error(`supertest knows no ${method}`);
  const all = { 'x-gatehouse-service-key': key, authorization: `Bearer ${token}`, ...headers };
  // Not as an object: a list is sent as one header for each value.
  for (const [name, value] of Object.entries(all)) void question.set(name, value);
  return question;
}

describe('the question of Envoy', () => {
  it.each(METHODS)('is answered for %s at every path, with and without a query', async (method) => {
    const who = await seedTestUserAndToken({ permissions: ['app:reports.read'] });
    const need = { 'x-gatehouse-permission': 'app:reports.read' };
    for (const path of [
      '',
      '/',
      '/a/b?c=d',
      '?x=1',
      '//a',
      '/%zz',
      '/a/../../health/live',
      '/;x',
    ]) {
      const res = await ask(who.token, path, need, method);
      expect([path, res.status, res.headers['x-gatehouse-user']]).toEqual([path, 200, who.userId]);
    }
    const weak = await seedTestUserAndToken();
    const denied = await ask(weak.token, '/a', need, method);
    expect([denied.status, denied.headers['x-gatehouse-error']]).toEqual([403, 'FORBIDDEN']);
    const events = await auditOf('PERMISSION_DENIED', weak.tenantId);
    expect(events).toMatchObject([{ details: { permission: 'app:reports.read' } }]);
  });

  it('reads nothing that it asks for from the path and the query of the client', async () => {
    const { token } = await seedTestUserAndToken({ permissions: ['app:cheap'] });
    const need = { 'x-gatehouse-permission': 'app:reports.read', 'x-gatehouse-purpose': 'app:x' };
    const query = '?permission=app:cheap&deny=403&windowSec=600';
    expect((await ask(token, `/a${query}`, need)).status).toBe(403);
    const purpose = { 'x-gatehouse-purpose': 'app:x' };
    expect((await ask(token, query, purpose)).status).toBe(428);
    expect((await ask(token, '?permission=&purpose=nonsense&nothing=1')).status).toBe(200);
  });

  it('needs every permission of the one header', async () => {
    const { token } = await seedTestUserAndToken({ permissions: ['app:a', 'app:b'] });
    const needing = async (names: string) =>
      (await ask(token, '/', { 'x-gatehouse-permission': names })).status;
    expect(await needing('app:a app:b')).toBe(200);
    expect(await needing('app:b app:c')).toBe(403);
  });

  it.each<[string, Headers]>([
    ['a permission twice', { 'x-gatehouse-permission': ['app:a', 'app:reports.read'] }],
    ['joined permissions', { 'x-gatehouse-permission': 'app:a,app:reports.read' }],
    ['joined permissions with a space', { 'x-gatehouse-permission': 'app:a, app:reports.read' }],
    ['an empty permission', { 'x-gatehouse-permission': '' }],
    ['a purpose twice', { 'x-gatehouse-purpose': ['app:x', 'app:y'] }],
    ['joined purposes', { 'x-gatehouse-purpose': 'app:x,app:y' }],
    ['two windows', { 'x-gatehouse-purpose': 'app:x', 'x-gatehouse-window-sec': '1, 600' }],
    ['two addresses', { 'x-gatehouse-client-address': '198.51.100.7,203.0.113.7' }],
    ['an identity', { 'x-gatehouse-user': 'somebody-else' }],
    ['a misspelled name', { 'x-gatehouse-permision': 'app:a' }],
    ['an underscore', { x_gatehouse_permission: 'app:a' }],
    ['a dot', { 'x.gatehouse.user': 'somebody-else' }],
  ])('is refused with %s, which the gateway must have removed', async (_what, headers) => {
    const { token } = await seedTestUserAndToken({ permissions: ['app:a', 'app:reports.read'] });
    const res = await ask(token, '/', headers);
    expect([res.status, res.body.error]).toEqual([400, 'INVALID_INPUT']);
  });

  it('gets the challenge of a step-up, in a header too, for a client that reads no body', async () => {
    const { token } = await seedTestUserAndToken();
    const need = { 'x-gatehouse-purpose': 'app:danger', 'x-gatehouse-window-sec': '60' };
    const res = await ask(token, '/danger', need, 'post');
    expect([res.status, res.body.error]).toEqual([428, 'STEP_UP_REQUIRED']);
    expect(res.headers['www-authenticate']).toContain('max_age=60');
    const head = await ask(token, '/danger', need, 'head');
    expect([head.status, head.text]).toEqual([428, undefined]);
    const challenge = JSON.parse(String(head.headers['x-gatehouse-challenge'])) as object;
    expect(challenge).toMatchObject({ error: 'STEP_UP_REQUIRED', purpose: 'app:danger' });
  });

  it('passes a program by the address that Envoy reports, and asks it for no step-up', async () => {
    const admin = await seedAdministrator();
    const made = await makeApiKey(app, admin, { addresses: ['198.51.100.0/24'] });
    const from = (address: string, more: Headers = {}) =>
      ask(made.key, '/', { 'x-gatehouse-client-address': address, ...more });
    expect((await from('198.51.100.7')).status).toBe(200);
    expect((await from('203.0.113.7')).body.error).toBe('KEY_ADDRESS_REFUSED');
    const asked = await from('198.51.100.7', { 'x-gatehouse-purpose': 'app:x' });
    expect(asked.body.error).toBe('PERSON_REQUIRED');
  });

  it('needs a service key with the scope, at every path', async () => {
    const { token } = await seedTestUserAndToken();
    const weak = await makeServiceKey(deps, ['tenants:manage']);
    for (const path of ['', '/a']) {
      const asking = (sent: string) => ask(token, path, { 'x-gatehouse-service-key': sent });
      expect((await asking('')).status).toBe(401);
      expect((await asking(`${key}, ${weak}`)).status).toBe(401);
      expect((await asking(weak)).body.error).toBe('FORBIDDEN');
    }
  });
});

it.each(['/health/live', '/api/forward-authentic', '/api/auth/me', '/nothing'])(
  'the key of a gateway is refused at %s, where a 200 would not be an answer to its question',
  async (path) => {
    const res = await request(app).get(path).set('x-gatehouse-service-key', key);
    expect([res.status, res.body.error]).toEqual([400, 'MALFORMED_REQUEST']);
  },
);
