import { eq } from 'drizzle-orm';
import request from 'supertest';
import { routeTable } from '@/server/createApp';
import { db } from '@/server/db';
import { ipRuleSets, ipRules, tenantStaff } from '@/server/db/schema';
import { auditOf } from '@/tests/helpers/database/authRows';
import { fromAddress } from '@/tests/helpers/http/authCalls';
import { USERS, callsOf, seedDirectory } from '@/tests/helpers/people/directory';
import type { Directory } from '@/tests/helpers/people/directory';
import { as } from '@/tests/helpers/people/officer';
import { makeApiKey, makeServiceKey, newKeyName, withKey } from '@/tests/helpers/people/programs';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app, deps } = buildApp();
const table = routeTable(deps);
const isOfScim = ({ path }: { path: string }) => path.startsWith('/scim/');
let directory: Directory;
let key: string;
beforeAll(async () => {
  directory = await seedDirectory(app);
  ({ key } = await makeApiKey(app, directory.admin, { permissions: ['SCIM_PROVISION'] }));
});

describe('a key for SCIM', () => {
  it('opens no route outside of /scim/v2', async () => {
    const others = table.filter(
      (route) => !isOfScim(route) && route.guards.some(({ bearer }) => bearer === 'required'),
    );
    expect(others.length).toBeGreaterThan(50);
    for (const { method, path, endpoint } of others) {
      if (endpoint.takesAnyRequest) continue;
      const res = await request(app)
        [method](path.replace(/:\w+/g, directory.admin.staffId))
        .set('authorization', `Bearer ${key}`)
        .set('x-stepup-test-bypass', '1');
      expect([method, path, [401, 403].includes(res.status)]).toEqual([method, path, true]);
    }
  });

  it('is inactive for the team’s own API, which asks about it', async () => {
    const service = await makeServiceKey(deps, ['introspect']);
    const asked = await withKey(app, service).post('/api/token/introspect', { token: key });
    expect([asked.status, asked.body]).toEqual([200, { active: false }]);
  });

  it('can have no other permission, and none can be added', async () => {
    const { admin } = directory;
    const permissions = ['SCIM_PROVISION', 'TENANT_STAFF_VIEW'];
    const body = { name: newKeyName(), permissions };
    expect((await as(app, admin).post('/api/tenants/api-keys', body)).status).toBe(400);
    const one = `/api/tenants/api-keys/${directory.keyId}`;
    expect((await as(app, admin).put(one, { permissions })).status).toBe(400);
  });

  it('can be made by nobody who lacks the permission, and works no longer than its holder has it', async () => {
    const { tenantId } = directory.admin;
    const other = await seedTestUserAndToken({ tenantId, permissions: ['API_KEYS_MANAGE'] });
    const body = { name: newKeyName(), permissions: ['SCIM_PROVISION'] };
    expect((await as(app, other).post('/api/tenants/api-keys', body)).status).toBe(403);
    const holder = await seedTestUserAndToken({
      ...{ tenantId, permissions: ['API_KEYS_MANAGE', 'SCIM_PROVISION'] },
    });
    const made = await makeApiKey(app, holder, { permissions: ['SCIM_PROVISION'] });
    const calls = callsOf(app, made.key);
    await calls.get(USERS).expect(200);
    await db
      .update(tenantStaff)
      .set({ permissions: ['API_KEYS_MANAGE'] })
      .where(eq(tenantStaff.id, holder.staffId));
    const refused = await calls.get(USERS);
    expect([refused.status, refused.body.detail]).toEqual([
      403,
      'This needs the permission SCIM_PROVISION.',
    ]);
    expect(await auditOf('PERMISSION_DENIED', tenantId)).toMatchObject([
      { actor: holder.staffId, details: { permission: 'SCIM_PROVISION', apiKeyId: made.id } },
    ]);
  });

  it('ends with the directory’s own leaver, if they are its holder', async () => {
    const { tenantId } = directory.admin;
    const holder = await seedTestUserAndToken({
      ...{ tenantId, permissions: ['API_KEYS_MANAGE', 'SCIM_PROVISION'] },
      email: directory.newAddress(),
    });
    await directory.calls.post({ userName: holder.email }).expect(201);
    const made = await makeApiKey(app, holder, { permissions: ['SCIM_PROVISION'] });
    const calls = callsOf(app, made.key);
    const off = { op: 'replace', value: { active: false } };
    expect((await calls.patch(holder.staffId, off)).status).toBe(200);
    expect((await calls.get(USERS)).status).toBe(401);
  });

  it('is bound by the addresses of the tenant and of the key', async () => {
    const own = await seedDirectory(app);
    const { tenantId } = own.admin;
    const permissions = ['SCIM_PROVISION'];
    const addresses = ['203.0.113.0/24'];
    const bound = await makeApiKey(app, own.admin, { permissions, addresses });
    const from = (address: string, with_: string) =>
      callsOf(app, with_).get(USERS).set(fromAddress(address));
    expect((await from('203.0.113.9', bound.key)).status).toBe(200);
    const elsewhere = await from('198.51.100.9', bound.key);
    expect([elsewhere.status, elsewhere.type]).toEqual([403, 'application/scim+json']);
    const free = await makeApiKey(app, own.admin, { permissions });
    await db.insert(ipRuleSets).values({ tenantId });
    await db.insert(ipRules).values({
      ...{ tenantId, action: 'allow', range: '203.0.113.0/24', appliesTo: 'api_keys' },
    });
    deps.ipRules.forget();
    for (const { path } of table.filter(isOfScim)) {
      const res = await callsOf(app, free.key)
        .get(path.replace(':id', own.admin.staffId))
        .set(fromAddress('198.51.100.9'));
      expect([path, res.status, res.body.schemas]).toEqual([
        path,
        403,
        ['urn:ietf:params:scim:api:messages:2.0:Error'],
      ]);
    }
  });
});

describe('no other credential', () => {
  it('opens a route of SCIM', async () => {
    const { admin } = directory;
    const other = await makeApiKey(app, admin, { permissions: ['TENANT_STAFF_MANAGE'] });
    const service = await makeServiceKey(deps, ['tenants:manage']);
    const credentials = { [admin.token]: 401, [other.key]: 403, [service]: 401, [`${key}x`]: 401 };
    for (const { method, path } of table.filter(isOfScim)) {
      for (const [credential, expected] of Object.entries(credentials)) {
        const res = await request(app)
          [method](path.replace(':id', admin.staffId))
          .set('authorization', `Bearer ${credential}`)
          .set('content-type', 'application/scim+json');
        expect([method, path, res.status]).toEqual([method, path, expected]);
      }
    }
  });
});
