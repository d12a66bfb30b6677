import { randomUUID } from 'node:crypto';
import request from 'supertest';
import { db } from '@/server/db';
import { declaredPermissions, invitations, tenantRoles } from '@/server/db/schema';
import { BUILT_IN_PERMISSIONS, PERMISSIONS } from '@/server/permissions';
import { auditOf } from '@/tests/helpers/database/authRows';
import { giveRoles, makeRole, seedAdministrator } from '@/tests/helpers/people/administrator';
import { as } from '@/tests/helpers/people/officer';
import { HOME, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { openNode } from '@/tests/helpers/server/openNode';
import { codeAt } from '@/tests/helpers/stepUp/secondFactor';

const { app, clock } = openNode();
const ROLES = '/api/tenants/roles';
const SUPPORT = { name: 'Support', description: 'Helps.', permissions: ['TENANT_STAFF_VIEW'] };

describe('reading permissions and roles', () => {
  const PATHS = ['/api/tenants/permissions', ROLES, `${ROLES}/owner`];

  it.each(PATHS)('needs TENANT_STAFF_VIEW: %s', async (path) => {
    const others = BUILT_IN_PERMISSIONS.filter((one) => one !== 'TENANT_STAFF_VIEW');
    const without = await seedTestUserAndToken({ permissions: others });
    const refused = await as(app, without).get(path);
    expect([refused.status, refused.body.error]).toEqual([403, 'FORBIDDEN']);
    const viewer = await seedTestUserAndToken({ permissions: ['TENANT_STAFF_VIEW'] });
    expect((await as(app, viewer).get(path)).status).toBe(200);
  });

  it("lists every built-in permission with its sentence, then the team's own that are not withdrawn", async () => {
    const own = { description: 'delete projects', privileged: true };
    await db.insert(declaredPermissions).values([
      { ...own, name: 'app:listed' },
      { ...own, name: 'app:withdrawn', withdrawnAt: new Date() },
    ]);
    const viewer = await seedTestUserAndToken({ permissions: ['TENANT_STAFF_VIEW'] });
    const { body } = await as(app, viewer).get('/api/tenants/permissions');
    const builtIn = Object.entries(PERMISSIONS).map(([name, { sentence, privileged }]) => ({
      ...{ name, description: sentence, privileged, builtIn: true },
    }));
    expect(body).toEqual({
      permissions: [...builtIn, { name: 'app:listed', ...own, builtIn: false }],
    });
  });

  it('lists the built-in roles and the own ones, with the number of present members who carry each', async () => {
    const admin = await seedAdministrator();
    const { tenantId } = admin;
    const support = await makeRole(app, admin, 'Support', ['TENANT_STAFF_VIEW']);
    await giveRoles(await seedTestUserAndToken({ tenantId }), support, 'auditor');
    await giveRoles(await seedTestUserAndToken({ tenantId }), support);
    const { roles } = (await as(app, admin).get(ROLES)).body as { roles: { name: string }[] };
    expect(roles).toMatchObject([
      { id: 'owner', name: 'Owner', builtIn: true, holders: 0, updatedAt: null },
      { id: 'security_admin', builtIn: true, holders: 0 },
      { id: 'auditor', builtIn: true, holders: 1 },
      { id: 'member', builtIn: true, holders: 0, permissions: [] },
      { id: support, name: 'Support', builtIn: false, holders: 2 },
    ]);
    expect((await as(app, admin).get(`${ROLES}/${support}`)).body).toEqual(roles[4]);
    expect((await as(app, admin).get(`${ROLES}/auditor`)).body).toEqual(roles[2]);
  });
});

describe('a role of the tenant’s own', () => {
  it('is created, changed and deleted, with an event for each that has the role before and after', async () => {
    const admin = await seedAdministrator();
    const { tenantId, staffId } = admin;
    const made = await as(app, admin).post(ROLES, SUPPORT);
    expect([made.status, made.body]).toMatchObject([201, { ...SUPPORT, holders: 0 }]);
    const id = String(made.body.id);
    const after = { ...SUPPORT, name: 'Help desk', permissions: [] };
    const changed = await as(app, admin).put(`${ROLES}/${id}`, after);
    expect([changed.status, changed.body]).toMatchObject([200, { id, ...after }]);
    expect((await as(app, admin).get(`${ROLES}/${id}`)).body).toEqual(changed.body);
    expect((await as(app, admin).del(`${ROLES}/${id}`)).status).toBe(204);
    expect((await as(app, admin).get(`${ROLES}/${id}`)).status).toBe(404);
    const common = { actor: staffId, subject: `role:${id}`, outcome: 'success' };
    expect(await auditOf('ROLE_CREATED', tenantId)).toMatchObject([
      { ...common, details: { after: SUPPORT, via: 'api' } },
    ]);
    expect(await auditOf('ROLE_UPDATED', tenantId)).toMatchObject([
      { ...common, details: { before: SUPPORT, after, holders: 0, via: 'api' } },
    ]);
    expect(await auditOf('ROLE_DELETED', tenantId)).toMatchObject([
      { ...common, details: { before: after, via: 'api' } },
    ]);
  });

  it('has in each event the ticket of the request', async () => {
    const admin = await seedAdministrator();
    const made = await as(app, admin).post(ROLES, { ...SUPPORT, ticket: 'OPS-1' });
    const path = `${ROLES}/${String(made.body.id)}`;
    await as(app, admin).put(path, { ...SUPPORT, name: 'Help', ticket: 'OPS-2' });
    expect((await as(app, admin).del(path).send({ ticket: 'OPS-3' })).status).toBe(204);
    for (const [action, ticket] of [
      ['ROLE_CREATED', 'OPS-1'],
      ['ROLE_UPDATED', 'OPS-2'],
      ['ROLE_DELETED', 'OPS-3'],
    ] as const) {
      expect(await auditOf(action, admin.tenantId)).toMatchObject([{ details: { ticket } }]);
    }
  });

  it('that is changed to what it is records nothing', async () => {
    const admin = await seedAdministrator();
    const { body } = await as(app, admin).post(ROLES, SUPPORT);
    const same = await as(app, admin).put(`${ROLES}/${String(body.id)}`, SUPPORT);
    expect([same.status, same.body]).toEqual([200, body]);
    expect(await auditOf('ROLE_UPDATED', admin.tenantId)).toEqual([]);
  });

  it.each([
    [{ ...SUPPORT, name: '' }, 'name'],
    [{ ...SUPPORT, name: ' \t ' }, 'name'],
    [{ ...SUPPORT, name: 'a'.repeat(101) }, 'name'],
    [{ ...SUPPORT, name: 'two\nlines' }, 'name'],
    [{ ...SUPPORT, description: 'a'.repeat(501) }, 'description'],
    [{ ...SUPPORT, permissions: ['lower'] }, 'permissions.0'],
    [{ ...SUPPORT, permissions: 'TENANT_STAFF_VIEW' }, 'permissions'],
    [{ name: 'No list' }, 'permissions'],
  ])('is refused with the field: %j', async (body, path) => {
    const admin = await seedAdministrator();
    const res = await as(app, admin).post(ROLES, body);
    expect([res.status, res.body.issues]).toMatchObject([400, [{ path }]]);
  });

  it('has only permissions that exist', async () => {
    const admin = await seedAdministrator();
    const res = await as(app, admin).post(ROLES, { ...SUPPORT, permissions: ['app:nowhere'] });
    expect([res.status, res.body.error]).toEqual([400, 'UNKNOWN_PERMISSION']);
    expect(res.body.detail).toContain('There is no permission app:nowhere.');
  });

  it('has a name that no other role of the tenant has, in any case, and no built-in one', async () => {
    const admin = await seedAdministrator();
    const id = await makeRole(app, admin, 'Größe', []);
    const other = await makeRole(app, admin, 'Other', []);
    for (const name of ['GRÖßE', 'größe ', 'Owner', 'SECURITY ADMIN', 'security_admin']) {
      const made = await as(app, admin).post(ROLES, { ...SUPPORT, name });
      const renamed = await as(app, admin).put(`${ROLES}/${other}`, { ...SUPPORT, name });
      for (const res of [made, renamed]) {
        expect([name, res.status, res.body.error]).toEqual([name, 409, 'ROLE_NAME_TAKEN']);
      }
    }
    const again = { name: 'GRÖSSE', permissions: [] };
    expect((await as(app, admin).put(`${ROLES}/${id}`, again)).status).toBe(200);
    const elsewhere = await seedAdministrator();
    expect((await as(app, elsewhere).post(ROLES, again)).status).toBe(201);
  });

  it.each([
    ['a variation selector', 'Owner\uFE0F'],
    ['a filler', 'Owner\u3164'],
    ['wide letters', 'Ｏwner'],
    ['a space that does not break', 'Security\u00A0admin'],
    ['two spaces', 'Help  desk'],
    ['the other small sigma', 'οδοσ'],
    ['a capital that only the database folds', 'Kİng'],
  ])('has no name that looks like that of another role: with %s', async (_what, name) => {
    const admin = await seedAdministrator();
    for (const taken of ['Help desk', 'ΟΔΟΣ', 'King']) await makeRole(app, admin, taken, []);
    const made = await as(app, admin).post(ROLES, { ...SUPPORT, name });
    expect([made.status, made.body.error]).toEqual([409, 'ROLE_NAME_TAKEN']);
  });

  it.each([['\u3164'], ['\u034F'], ['\u00A0 \uFE0F']])(
    'has a name that people can see: %j is refused',
    async (name) => {
      const res = await as(app, await seedAdministrator()).post(ROLES, { ...SUPPORT, name });
      expect([res.status, res.body.issues]).toMatchObject([400, [{ path: 'name' }]]);
    },
  );

  it('is one of at most 100 in its tenant', async () => {
    const admin = await seedAdministrator();
    const { tenantId } = admin;
    const names = Array.from({ length: 99 }, (_, n) => ({ tenantId, name: `Role ${n}` }));
    await db.insert(tenantRoles).values(names);
    const last = await as(app, admin).post(ROLES, SUPPORT);
    const beyond = await as(app, admin).post(ROLES, { ...SUPPORT, name: 'One more' });
    expect(last.status).toBe(201);
    expect([beyond.status, beyond.body.error]).toEqual([409, 'TOO_MANY_ROLES']);
  });

  it('is not deleted while a member carries it or an open invitation names it', async () => {
    const admin = await seedAdministrator();
    const { tenantId } = admin;
    const id = await makeRole(app, admin, 'Support', []);
    const holder = await seedTestUserAndToken({ tenantId });
    await giveRoles(holder, id);
    const day = 86_400_000;
    const open = { tenantId, roles: [id], delivery: 'mail' as const };
    await db.insert(invitations).values([
      {
        ...open,
        ...{ linkId: randomUUID(), email: 'a@example.com' },
        expiresAt: new Date(Date.now() + day),
      },
      {
        ...open,
        ...{ linkId: randomUUID(), email: 'b@example.com' },
        expiresAt: new Date(Date.now() - day),
      },
    ]);
    const used = await as(app, admin).del(`${ROLES}/${id}`);
    const inUse = { error: 'ROLE_IN_USE', holders: 1, invitations: 1 };
    expect([used.status, used.body]).toMatchObject([409, inUse]);
    await giveRoles(holder);
    await db.update(invitations).set({ revokedAt: new Date() });
    expect((await as(app, admin).del(`${ROLES}/${id}`)).status).toBe(204);
  });
});

it.each(['owner', 'security_admin', 'auditor', 'member'])(
  'the built-in role %s can be neither changed nor deleted',
  async (id) => {
    const admin = await seedAdministrator();
    const changed = await as(app, admin).put(`${ROLES}/${id}`, SUPPORT);
    const deleted = await as(app, admin).del(`${ROLES}/${id}`);
    for (const res of [changed, deleted]) {
      expect([res.status, res.body.error]).toEqual([409, 'BUILT_IN_ROLE']);
    }
  },
);

it.each(['post', 'put', 'delete'] as const)(
  '%s needs TENANT_ROLES_MANAGE, and a proof for this one act',
  async (method) => {
    const without = BUILT_IN_PERMISSIONS.filter((one) => one !== 'TENANT_ROLES_MANAGE');
    const viewer = await seedTestUserAndToken({ permissions: without });
    const admin = await seedTraveller(app, { permissions: [...BUILT_IN_PERMISSIONS] });
    const { body: signedIn } = await attemptLogin(app, admin, HOME);
    const token = String(signedIn.accessToken);
    const [role] = await db
      .insert(tenantRoles)
      .values({ tenantId: admin.tenantId, name: 'Support' })
      .returning();
    const path = method === 'post' ? ROLES : `${ROLES}/${role?.id}`;
    const call = (bearer: string) =>
      request(app)
        [method](path)
        .set('authorization', `Bearer ${bearer}`)
        .send(method === 'delete' ? undefined : { ...SUPPORT, name: `By ${method}` });
    expect((await call(viewer.token)).body.error).toBe('FORBIDDEN');

    const asked = await call(token);
    expect([asked.status, asked.body.purpose]).toEqual([428, 'security_settings']);
    clock.advance(30);
    await request(app)
      .post('/api/security/step-up/verify')
      .set('authorization', `Bearer ${token}`)
      .send({
        code: codeAt(admin.secret, clock.now()),
        purpose: 'security_settings',
        challengeId: asked.body.challengeId,
      })
      .expect(200);
    expect((await call(token)).status).toBeLessThan(300);
    expect((await call(token)).status).toBe(428);
  },
);
