import { auditOf } from '@/tests/helpers/database/authRows';
import { USERS, USER_SCHEMA, seedDirectory } from '@/tests/helpers/people/directory';
import type { Directory } from '@/tests/helpers/people/directory';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app } = buildApp();
let directory: Directory;
beforeAll(async () => {
  directory = await seedDirectory(app);
});

const LIST = 'urn:ietf:params:scim:api:messages:2.0:ListResponse';

/** The body of https://developer.okta.com/docs/reference/scim/scim-20, Create the User. */
const oktaUser = (userName: string) => ({
  schemas: [USER_SCHEMA],
  userName,
  name: { givenName: 'Test', familyName: 'User' },
  emails: [{ primary: true, value: userName, type: 'work' }],
  displayName: 'Test User',
  locale: 'en-US',
  externalId: '00ujl29u0le5T6Aj10h7',
  groups: [],
  password: '1mz050nq',
  active: true,
});

it('the requests of Okta find nobody, create, read, update, deactivate and reactivate a user', async () => {
  const { calls, newAddress, admin } = directory;
  const userName = newAddress();
  const tested = await calls.get(`${USERS}?startIndex=1&count=2`);
  expect([tested.status, tested.body.schemas]).toEqual([200, [LIST]]);
  const nobody = await calls.find(`userName eq "${userName}"`);
  expect(nobody.body).toEqual({
    schemas: [LIST],
    ...{ totalResults: 0, startIndex: 1, itemsPerPage: 0, Resources: [] },
  });

  const made = await calls.post(oktaUser(userName));
  expect(made.status).toBe(201);
  expect(made.type).toBe('application/scim+json');
  const { id } = made.body as { id: string };
  expect(made.body).toEqual({
    schemas: [USER_SCHEMA],
    id,
    externalId: '00ujl29u0le5T6Aj10h7',
    userName,
    name: { givenName: 'Test', familyName: 'User' },
    displayName: 'Test User',
    active: true,
    emails: [{ value: userName, type: 'work', primary: true }],
    meta: {
      ...{ resourceType: 'User', version: 'W/"1a"', location: `${USERS}/${id}` },
      ...{ created: expect.any(String), lastModified: expect.any(String) },
    },
  });
  expect(made.headers).toMatchObject({ location: `${USERS}/${id}`, etag: 'W/"1a"' });
  const again = await calls.post(oktaUser(userName.toUpperCase()));
  expect([again.status, again.body]).toEqual([
    409,
    {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
      ...{ status: '409', scimType: 'uniqueness', detail: expect.any(String) },
    },
  ]);

  const found = await calls.find(`userName eq "${userName.toUpperCase()}"`);
  expect(found.body).toMatchObject({ totalResults: 1, Resources: [{ id, userName }] });
  const read = await calls.get(`${USERS}/${id}`);
  expect(read.body).toEqual(made.body);

  const changed = await calls.put(id, {
    ...(read.body as object),
    name: { givenName: 'Another', middleName: 'Excited', familyName: 'User' },
    groups: [],
  });
  expect(changed.body).toMatchObject({
    name: { givenName: 'Another', familyName: 'User' },
    ...{ active: true, externalId: '00ujl29u0le5T6Aj10h7', meta: { version: 'W/"2a"' } },
  });

  const off = await calls.patch(id, { op: 'replace', value: { active: false } });
  expect([off.status, off.body.active, off.headers['etag']]).toEqual([200, false, 'W/"3d"']);
  const on = await calls.patch(id, { op: 'replace', value: { active: true } });
  expect([on.status, on.body.active]).toEqual([200, true]);

  const about = { subject: `staff:${id}`, actor: admin.staffId };
  const key = { via: 'scim', apiKeyId: directory.keyId };
  expect(await auditOf('STAFF_CREATED', admin.tenantId)).toMatchObject([
    { ...about, details: { ...key, roles: ['member'], permissions: [] } },
  ]);
  expect(await auditOf('SCIM_USER_CREATED', admin.tenantId)).toMatchObject([
    { ...about, details: { ...key, how: 'created', active: true } },
  ]);
  expect(await auditOf('SCIM_USER_CHANGED', admin.tenantId)).toMatchObject([
    { ...about, details: { ...key, fields: ['givenName'] } },
    { details: { fields: ['active'], active: { before: true, after: false } } },
    { details: { fields: ['active'], active: { before: false, after: true } } },
  ]);
  expect(await auditOf('STAFF_DISABLED', admin.tenantId)).toMatchObject([
    { ...about, details: { ...key, secondsToEffect: expect.any(Number) } },
  ]);
  expect(await auditOf('STAFF_ENABLED', admin.tenantId)).toMatchObject([about]);
});

it('a custom integration of Okta deactivates by PUT', async () => {
  const { calls, newAddress } = directory;
  const userName = newAddress();
  const { id } = (await calls.post(oktaUser(userName))).body as { id: string };
  const off = await calls.put(id, { ...oktaUser(userName), active: false });
  expect([off.status, off.body.active]).toEqual([200, false]);
});

it('the import of Okta reads all users page by page, each of them once, oldest first', async () => {
  const { calls, newAddress } = await seedDirectory(app);
  const names = Array.from({ length: 5 }, newAddress);
  for (const userName of names) await calls.post(oktaUser(userName));
  const read: string[] = [];
  for (let startIndex = 1; startIndex <= 5; startIndex += 2) {
    const { body } = await calls.get(`${USERS}?startIndex=${startIndex}&count=2`);
    expect(body).toMatchObject({ totalResults: 5, startIndex });
    const page = body as { itemsPerPage: number; Resources: { userName: string }[] };
    expect(page.itemsPerPage).toBe(page.Resources.length);
    read.push(...page.Resources.map((user) => user.userName));
  }
  expect(read).toEqual(names);
  const none = await calls.get(`${USERS}?startIndex=0&count=0`);
  expect(none.body).toMatchObject({ totalResults: 5, startIndex: 1, Resources: [] });
  const many = await calls.get(`${USERS}?count=100000`);
  expect(many.body).toMatchObject({ itemsPerPage: 5 });
});
