import { createServer } from 'node:http';
import request from 'supertest';
import { routeTable } from '@/server/createApp';
import { PATCH_OP, USERS, provision, seedDirectory } from '@/tests/helpers/people/directory';
import type { Directory, ScimUser } from '@/tests/helpers/people/directory';
import { makeApiKey } from '@/tests/helpers/people/programs';
import { closeLater } from '@/tests/helpers/server/closing';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app, deps } = buildApp();
const server = createServer(app).listen(0);
closeLater(() => new Promise((resolve) => server.close(resolve)));
const withBody = routeTable(deps).filter(({ endpoint }) => endpoint.takesScim);
let directory: Directory;
let key: string;
let user: ScimUser;
beforeAll(async () => {
  directory = await seedDirectory(app);
  ({ key } = await makeApiKey(app, directory.admin, { permissions: ['SCIM_PROVISION'] }));
});
beforeEach(async () => {
  user = await provision(directory);
});

/** No request of a test may change the user, or what all objects inherit. */
afterEach(async () => {
  expect((await directory.calls.get(`${USERS}/${user.id}`)).body).toEqual(user);
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  expect(Object.keys(Object.prototype)).toEqual([]);
});

const send = ({ method, path }: (typeof withBody)[number], body: string | Buffer) =>
  request(server)
    [method](path.replace(':id', user.id))
    .set({ authorization: `Bearer ${key}`, 'content-type': 'application/scim+json' })
    .serialize((given: unknown) => given as string)
    .send(body as string);

function expectRefused(res: request.Response, status: number): void {
  expect([res.status, res.type, res.body.status]).toEqual([
    ...[status, 'application/scim+json', String(status)],
  ]);
  expect(res.text).not.toMatch(/at .+:\d+|node_modules|select |insert /i);
}

it('knows every route with a body of SCIM', () => {
  expect(withBody.map(({ method, path }) => `${method} ${path}`)).toEqual([
    'post /scim/v2/Users',
    'put /scim/v2/Users/:id',
    'patch /scim/v2/Users/:id',
  ]);
});

const routes = withBody.map((route) => [`${route.method} ${route.path}`, route] as const);

describe.each(routes)('%s', (_title, route) => {
  it.each(['{"userName":', '   ', 'undefined', 'null', '1', '"text"', '[]', '[{}]', '{}{}', 'NaN'])(
    'refuses a body that is no JSON object with 400: %s',
    async (body) => {
      expectRefused(await send(route, body), 400);
    },
  );

  it('refuses bytes that are no UTF-8, and 10 MB', async () => {
    const bytes = Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31]);
    expectRefused(await send(route, bytes), 400);
    expectRefused(await send(route, `{"nickName":"${'a'.repeat(10_000_000)}"}`), 413);
  });

  it('is not brought down by deep nesting', async () => {
    const deep = `${'['.repeat(15_000)}${']'.repeat(15_000)}`;
    for (const body of [
      deep,
      `{"userName":${deep}}`,
      `{"emails":${deep}}`,
      `{"Operations":${deep}}`,
      `{"Operations":[{"op":"add","path":"name","value":${deep}}]}`,
      `${'{"a":'.repeat(9000)}1${'}'.repeat(9000)}`,
    ]) {
      expectRefused(await send(route, body), 400);
    }
  });

  it('refuses more attributes than a user can have, and one that is given twice', async () => {
    const names = Array.from({ length: 101 }, (_, index) => `"a${index}":1`).join();
    expectRefused(await send(route, `{${names}}`), 400);
    expectRefused(await send(route, '{"active":false,"ACTIVE":true}'), 400);
  });
});

const PATHS = ['userName', 'externalId', 'displayName', 'name.givenName', 'active', 'emails.value'];
const ODD = ['"\\u0000"', '"\\ud800"', `"${'a'.repeat(60_000)}"`, '1', '[1]', '{"value":{}}'];

it.each(PATHS)('a PATCH of %s refuses what is no such value, with 400', async (path) => {
  const [, , patch] = withBody;
  if (!patch) throw new Error('there is no PATCH');
  for (const value of ODD) {
    const operation = `{"op":"replace","path":"${path}","value":${value}}`;
    const body = `{"schemas":["${PATCH_OP}"],"Operations":[${operation}]}`;
    const res = await send(patch, body);
    expect([path, value.slice(0, 20), res.status]).toEqual([path, value.slice(0, 20), 400]);
  }
});

it.each(['__proto__', 'constructor', 'toString', '__proto__.polluted', 'constructor.prototype.x'])(
  'the name %s reaches nothing that all objects inherit',
  async (name) => {
    const { calls } = directory;
    const value = { polluted: true, active: false };
    expect((await calls.patch(user.id, { op: 'add', path: name, value })).status).toBe(400);
    const [, put, patch] = withBody;
    if (!put || !patch) throw new Error('a route is missing');
    const without = `{"Operations":[{"op":"add","value":{"${name}":{"polluted":true}}}]}`;
    expect((await send(patch, without)).status).toBe(400);
    // PUT ignores what it does not know.
    const body = `{"${name}":{"active":false,"polluted":true},"name":{"${name}":{"polluted":1}}}`;
    expect((await send(put, body)).status).toBe(200);
  },
);
