import request from 'supertest';
import { withoutTable } from '@/tests/helpers/database/authRows';
import { USERS, callsOf, provision, seedDirectory } from '@/tests/helpers/people/directory';
import type { Directory } from '@/tests/helpers/people/directory';
import { makeApiKey } from '@/tests/helpers/people/programs';
import { openLimitedNode } from '@/tests/helpers/server/limitedNode';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app } = buildApp();
let directory: Directory;
let key: string;
beforeAll(async () => {
  directory = await seedDirectory(app);
  ({ key } = await makeApiKey(app, directory.admin, { permissions: ['SCIM_PROVISION'] }));
});

/** Expects an error in the words of RFC 7644 3.12, and nothing else in the body. */
function expectScimError(res: request.Response, status: number, scimType?: string): void {
  expect(res.headers['x-correlation-id']).toBeDefined();
  expect([res.status, res.type, res.body]).toEqual([
    status,
    'application/scim+json',
    {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
      status: String(status),
      ...(scimType === undefined ? {} : { scimType }),
      detail: expect.stringMatching(/\.$/),
    },
  ]);
}

const raw = (body: string, type = 'application/scim+json') =>
  request(app)
    .post(USERS)
    .set({ authorization: `Bearer ${key}`, 'content-type': type })
    .send(body);

it('every error of a guard, of the parser and of the resource has the body of SCIM', async () => {
  const { calls } = directory;
  const nobody = await request(app).get(USERS);
  expectScimError(nobody, 401);
  expect(nobody.headers['www-authenticate']).toBe('Bearer');
  expectScimError(await callsOf(app, 'nonsense').get(USERS), 401);
  expectScimError(await callsOf(app, directory.admin.token).get(USERS), 401);
  expectScimError(await calls.get(`${USERS}/nonsense`), 404);
  expectScimError(await calls.get('/scim/v2/Nothing'), 404);
  expectScimError(await request(app).delete(USERS), 405);
  expectScimError(await raw('{'), 400, 'invalidSyntax');
  expectScimError(await raw('[]'), 400, 'invalidValue');
  expectScimError(await raw('{"userName":1}'), 400, 'invalidValue');
  expectScimError(await raw('{}', 'text/xml'), 415);
  expectScimError(await raw(JSON.stringify({ nickName: 'a'.repeat(140_000) })), 413);
  expectScimError(await calls.find('userName co "a"'), 400, 'invalidFilter');
  expectScimError(await calls.get(`${USERS}?startIndex=x`), 400, 'invalidValue');
  expectScimError(await calls.get(`${USERS}?count=1&count=2`), 400, 'invalidValue');
  const many = Array.from({ length: 101 }, () => ({ op: 'add', path: 'active', value: true }));
  const { id } = await provision(directory);
  expectScimError(await calls.patch(id, ...many), 413);
  const deep = { op: 'add', path: 'addresses', value: [[[[[[[]]]]]]] };
  expectScimError(await calls.patch(id, deep), 400, 'invalidSyntax');
});

it('a body may be sent as application/json, and in capitals of no importance', async () => {
  const made = await raw(
    JSON.stringify({ USERNAME: directory.newAddress(), Name: { GIVENNAME: 'Ada' } }),
    'application/json; charset=UTF-8',
  );
  expect([made.status, made.body.name]).toEqual([201, { givenName: 'Ada' }]);
});

it('a version that the client does not have is refused with 412, and one that it has is 304', async () => {
  const { calls } = directory;
  const { id, meta } = await provision(directory);
  const path = `${USERS}/${id}`;
  const same = await calls.get(path).set('if-none-match', meta.version);
  expect([same.status, same.text, same.headers['etag']]).toEqual([304, '', meta.version]);
  expect((await calls.get(path).set('if-none-match', 'W/"0a"')).status).toBe(200);
  const off = { op: 'replace', value: { active: false } };
  const before = (await calls.get(path)).body;
  const stale = 'W/"0a", "17a"';
  expectScimError(await calls.patch(id, off).set('if-match', stale), 412);
  expectScimError(await calls.put(id, { active: false }).set('if-match', stale), 412);
  expectScimError(await calls.del(id).set('if-match', stale), 412);
  expect((await calls.get(path)).body).toEqual(before);
  expect((await calls.patch(id, off).set('if-match', `"9z", ${meta.version}`)).status).toBe(200);
  expect((await calls.del(id).set('if-match', '*')).status).toBe(204);
});

it('a rate limit answers 429 with Retry-After, and a missing table 503', async () => {
  const { app: limited } = openLimitedNode({ key: 2 });
  const calls = callsOf(limited, key);
  await calls.get(USERS).expect(200);
  await calls.get(USERS).expect(200);
  const refused = await calls.get(USERS);
  expectScimError(refused, 429);
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
  await withoutTable('scim_users', async () => {
    const missing = await directory.calls.get(USERS);
    expectScimError(missing, 503);
    expect(missing.headers['retry-after']).toBe('30');
  });
});
