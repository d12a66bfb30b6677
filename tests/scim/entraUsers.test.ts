import { USERS, USER_SCHEMA, seedDirectory } from '@/tests/helpers/people/directory';
import type { Directory } from '@/tests/helpers/people/directory';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app } = buildApp();
let directory: Directory;
beforeAll(async () => {
  directory = await seedDirectory(app);
});

const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';

/** The body of learn.microsoft.com, use-scim-to-provision-users-and-groups, Create User. */
const entraUser = (userName: string) => ({
  schemas: [USER_SCHEMA, ENTERPRISE],
  externalId: '0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef',
  userName,
  active: true,
  emails: [{ primary: true, type: 'work', value: userName }],
  meta: { resourceType: 'User' },
  name: { formatted: 'givenName familyName', familyName: 'familyName', givenName: 'givenName' },
  roles: [],
  [ENTERPRISE]: { department: 'R&D' },
});

it('the requests of Entra test the connection, create, find, update, disable and delete a user', async () => {
  const { calls, newAddress } = directory;
  const userName = newAddress();
  const probe = await calls.find(`userName eq "${newAddress()}"`);
  expect(probe.body).toMatchObject({ totalResults: 0, Resources: [] });
  const groups = await calls.get('/scim/v2/Groups?excludedAttributes=members');
  expect(groups.body).toMatchObject({ totalResults: 0, Resources: [] });

  const made = await calls.post(entraUser(userName));
  expect(made.status).toBe(201);
  const { id } = made.body as { id: string };
  expect(made.body).toMatchObject({ userName, name: { formatted: 'givenName familyName' } });

  for (const filter of [
    `userName eq "${userName}"`,
    `externalId eq "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef"`,
    `emails[type eq "work"].value eq "${userName}"`,
    `id eq "${id}"`,
    `userName eq "${userName}" and active eq true`,
  ]) {
    const found = await calls.find(filter);
    expect([filter, found.body.Resources[0]?.id]).toEqual([filter, id]);
  }
  const other = await calls.find(`externalId eq "0A21F0F2-8D2A-4F8E-BF98-7363C4AED4EF"`);
  expect(other.body).toMatchObject({ totalResults: 0 });

  const several = await calls.patch(
    id,
    { op: 'Replace', path: 'emails[type eq "work"].value', value: 'updatedEmail@microsoft.com' },
    { op: 'Replace', path: 'name.familyName', value: 'updatedFamilyName' },
    { op: 'Add', path: `${ENTERPRISE}:department`, value: 'Sales' },
  );
  expect(several.body).toMatchObject({
    emails: [{ type: 'work', value: 'updatedEmail@microsoft.com' }],
    name: { familyName: 'updatedFamilyName', givenName: 'givenName' },
  });

  const renamed = newAddress();
  const name = await calls.patch(id, { op: 'Replace', path: 'userName', value: renamed });
  expect(name.body).toMatchObject({ id, userName: renamed });

  const off = await calls.patch(id, { op: 'Replace', path: 'active', value: 'False' });
  expect([off.status, off.body.active]).toEqual([200, false]);
  const list = await calls.find(`userName eq "${renamed}"`);
  expect(list.body.Resources).toMatchObject([{ id, active: false }]);

  const gone = await calls.del(id);
  expect([gone.status, gone.text]).toEqual([204, '']);
  const after = await calls.get(`${USERS}/${id}`);
  expect([after.status, after.body]).toEqual([
    404,
    {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
      ...{ status: '404', detail: 'Not found.' },
    },
  ]);
  expect((await calls.del(id)).status).toBe(404);
});

it('the attributes that Entra asks for, or does not want, decide what is shown', async () => {
  const { calls, newAddress } = directory;
  const { id } = (await calls.post(entraUser(newAddress()))).body as { id: string };
  const some = await calls.get(`${USERS}/${id}?attributes=userName,name.givenName`);
  expect(Object.keys(some.body as object).sort()).toEqual([
    ...['id', 'meta', 'name', 'schemas', 'userName'],
  ]);
  const less = await calls.get(`${USERS}/${id}?excludedAttributes=emails,NAME`);
  expect(less.body).not.toHaveProperty('emails');
  expect(less.body).not.toHaveProperty('name');
});

it('the service describes itself, its types and its schemas', async () => {
  const { calls } = directory;
  const config = await calls.get('/scim/v2/ServiceProviderConfig');
  expect(config.body).toMatchObject({
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig'],
    ...{ patch: { supported: true }, bulk: { supported: false }, etag: { supported: true } },
    filter: { supported: true, maxResults: 200 },
  });
  const types = await calls.get('/scim/v2/ResourceTypes');
  expect(types.body).toMatchObject({ totalResults: 1, Resources: [{ id: 'User' }] });
  const schemas = await calls.get('/scim/v2/Schemas');
  expect(schemas.body.Resources.map(({ id }: { id: string }) => id)).toEqual([USER_SCHEMA]);
  const one = await calls.get(`/scim/v2/Schemas/${USER_SCHEMA}`);
  expect(one.body).toEqual(schemas.body.Resources[0]);
  expect((await calls.get('/scim/v2/Schemas/urn:none')).status).toBe(404);
});
