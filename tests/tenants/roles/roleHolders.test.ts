import request from 'supertest';
import { auditOf } from '@/tests/helpers/database/authRows';
import { me } from '@/tests/helpers/http/authCalls';
import {
  accessNow,
  giveRoles,
  makeRole,
  seedAdministrator,
} from '@/tests/helpers/people/administrator';
import { as } from '@/tests/helpers/people/officer';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app } = buildApp();
const other = buildApp();
const VIEW = 'SETTINGS_SECURITY_VIEW';
const EDIT = 'SETTINGS_SECURITY_EDIT';
const STAFF = 'TENANT_STAFF_VIEW';
const ADMINISTERING = ['TENANT_STAFF_MANAGE', 'TENANT_ROLES_MANAGE'];

const change = (who: SeededAuth, id: string, permissions: string[], more: object = {}) =>
  as(app, who).put(`/api/tenants/roles/${id}`, { name: 'Changed', permissions, ...more });

describe('a change of a role', () => {
  it('takes from its holders what only it gave, and gives them what it gives now', async () => {
    const admin = await seedAdministrator();
    const { tenantId } = admin;
    const role = await makeRole(app, admin, 'First', [VIEW, STAFF]);
    const second = await makeRole(app, admin, 'Second', [STAFF]);
    const seed = (permissions: string[] = []) => seedTestUserAndToken({ tenantId, permissions });
    const [only, both, direct, none] = [
      await seed(),
      await seed(),
      await seed([EDIT]),
      await seed([VIEW]),
    ];
    await giveRoles(only, role);
    await giveRoles(both, role, second);
    await giveRoles(direct, role);
    expect((await change(admin, role, ['TENANT_STAFF_MANAGE'])).status).toBe(200);
    expect((await accessNow(only))?.permissions).toEqual(['TENANT_STAFF_MANAGE']);
    expect((await accessNow(both))?.permissions).toEqual(['TENANT_STAFF_MANAGE', STAFF]);
    expect((await accessNow(direct))?.permissions).toEqual([EDIT, 'TENANT_STAFF_MANAGE']);
    expect((await accessNow(none))?.permissions).toEqual([VIEW]);
  });

  it('records one STAFF_PERMISSIONS_CHANGED for each holder whose permissions change, and no other', async () => {
    const admin = await seedAdministrator();
    const { tenantId, staffId: actor } = admin;
    const role = await makeRole(app, admin, 'First', [STAFF]);
    const holder = await seedTestUserAndToken({ tenantId });
    const unchanged = await seedTestUserAndToken({ tenantId });
    await giveRoles(holder, role);
    await giveRoles(unchanged, role, 'security_admin');
    const earlier = (await auditOf('STAFF_PERMISSIONS_CHANGED', tenantId)).length;
    await change(admin, role, [STAFF, VIEW]).expect(200);
    const events = (await auditOf('STAFF_PERMISSIONS_CHANGED', tenantId)).slice(earlier);
    const roles = { rolesBefore: [role], rolesAfter: [role] };
    expect(events).toMatchObject([
      {
        ...{ actor, subject: `staff:${holder.staffId}`, outcome: 'success' },
        details: { before: [STAFF], after: [VIEW, STAFF], ...roles, via: 'api' },
      },
    ]);
    const [updated] = await auditOf('ROLE_UPDATED', tenantId);
    expect(updated).toMatchObject({
      details: { holders: 2 },
      correlationId: events[0]?.correlationId,
    });
  });

  it('counts at the next request of its holders, on every node', async () => {
    const admin = await seedAdministrator();
    const role = await makeRole(app, admin, 'Viewers', [VIEW]);
    const holder = await seedTestUserAndToken({ tenantId: admin.tenantId });
    await giveRoles(holder, role);
    const ask = (node: typeof app) =>
      request(node).get('/api/security/policy').set('authorization', `Bearer ${holder.token}`);
    for (const node of [app, other.app]) expect((await ask(node)).status).toBe(200);
    await change(admin, role, []).expect(200);
    for (const node of [app, other.app]) expect((await ask(node)).status).toBe(403);
    await change(admin, role, [VIEW]).expect(200);
    for (const node of [app, other.app]) expect((await ask(node)).status).toBe(200);
    expect((await me(other.app, holder.token)).body).toMatchObject({
      permissions: [VIEW],
      roles: [{ id: role, name: 'Changed' }],
    });
  });
});

it('/api/auth/me shows built-in and own roles by id and name, beside the permissions', async () => {
  const admin = await seedAdministrator();
  const role = await makeRole(app, admin, 'Support', [STAFF]);
  const holder = await seedTestUserAndToken({ tenantId: admin.tenantId });
  expect((await me(app, holder.token)).body).toMatchObject({ roles: [] });
  await giveRoles(holder, role, 'auditor');
  const { body } = await me(app, holder.token);
  expect(body.roles).toHaveLength(2);
  expect(body.roles).toEqual(
    expect.arrayContaining([
      { id: 'auditor', name: 'Auditor' },
      { id: role, name: 'Support' },
    ]),
  );
});

describe('the subset rule', () => {
  const some = [...ADMINISTERING, STAFF];
  const seedSome = (tenantId: string) => seedTestUserAndToken({ tenantId, permissions: some });

  it('keeps a role with more than the actor holds from being created, or widened to it', async () => {
    const admin = await seedAdministrator();
    const lesser = await seedSome(admin.tenantId);
    const body = { name: 'Editors', permissions: [EDIT] };
    const made = await as(app, lesser).post('/api/tenants/roles', body);
    expect([made.status, made.body.error]).toEqual([403, 'NOT_YOURS_TO_GIVE']);
    expect(made.body.detail).toBe(`You do not hold ${EDIT} yourself.`);
    const role = await makeRole(app, admin, 'Wide', [VIEW]);
    const widened = await change(lesser, role, [VIEW, EDIT]);
    expect([widened.status, widened.body.error]).toEqual([403, 'NOT_YOURS_TO_GIVE']);
    expect((await change(lesser, role, [STAFF])).status).toBe(200);
  });

  it('keeps a role from being changed, even in its name, while somebody carries it who holds more than the actor', async () => {
    const admin = await seedAdministrator();
    const { tenantId } = admin;
    const lesser = await seedSome(tenantId);
    const role = await makeRole(app, admin, 'Support', [STAFF]);
    const beyond = await seedTestUserAndToken({ tenantId, permissions: [EDIT] });
    await giveRoles(beyond, role);
    for (const permissions of [[], [STAFF]]) {
      const res = await change(lesser, role, permissions);
      expect([res.status, res.body.error]).toEqual([403, 'NOT_YOURS_TO_MANAGE']);
    }
    expect((await accessNow(beyond))?.permissions).toEqual([EDIT, STAFF]);
    expect(await auditOf('ROLE_UPDATED', tenantId)).toEqual([]);
  });

  it('judges the permissions that the actor holds when the change happens', async () => {
    const admin = await seedAdministrator();
    const role = await makeRole(app, admin, 'Own', [VIEW]);
    const lesser = await seedSome(admin.tenantId);
    await giveRoles(lesser, role);
    const [taken, made] = await Promise.all([
      change(admin, role, []),
      as(app, lesser).post('/api/tenants/roles', { name: 'Late', permissions: [VIEW] }),
    ]);
    expect(taken.status).toBe(200);
    const [deprived] = await auditOf('ROLE_UPDATED', admin.tenantId);
    const created = (await auditOf('ROLE_CREATED', admin.tenantId)).at(-1);
    if (made.status === 201) {
      expect(Number(created?.occurredAt)).toBeLessThanOrEqual(Number(deprived?.occurredAt));
    } else expect(made.body.error).toBe('NOT_YOURS_TO_GIVE');
  });
});

describe('the last administrator', () => {
  it('does not lose the permissions by a change of the role that gives them', async () => {
    const admin = await seedTestUserAndToken({ permissions: ADMINISTERING });
    const second = await seedTestUserAndToken({ tenantId: admin.tenantId });
    const role = await makeRole(app, admin, 'Administrators', ADMINISTERING);
    await giveRoles(second, role);
    await giveRoles(admin, role);
    // Both hold the permissions by the role alone now.
    const refused = await change(admin, role, ['TENANT_ROLES_MANAGE']);
    expect([refused.status, refused.body.error]).toEqual([409, 'LAST_ADMINISTRATOR']);
    for (const holder of [admin, second]) {
      expect((await accessNow(holder))?.permissions).toEqual([...ADMINISTERING].sort());
    }
    const third = await seedTestUserAndToken({
      ...{ tenantId: admin.tenantId, permissions: ADMINISTERING },
    });
    await change(third, role, ['TENANT_ROLES_MANAGE']).expect(200);
    expect((await accessNow(admin))?.permissions).toEqual(['TENANT_ROLES_MANAGE']);
  });
});

describe('two administrators at once', () => {
  it('who change the same role after reading it: one change, and 409 for the other', async () => {
    const admin = await seedAdministrator();
    const second = await seedAdministrator({ tenantId: admin.tenantId });
    const role = await makeRole(app, admin, 'Support', []);
    const { updatedAt } = (await as(app, admin).get(`/api/tenants/roles/${role}`)).body as {
      updatedAt: string;
    };
    const both = await Promise.all([
      change(admin, role, [STAFF], { updatedAt }),
      as(other.app, second).put(`/api/tenants/roles/${role}`, {
        ...{ name: 'Other', permissions: [VIEW], updatedAt },
      }),
    ]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
    expect(both.find(({ status }) => status === 409)?.body.error).toBe('CONFLICT');
    expect(await auditOf('ROLE_UPDATED', admin.tenantId)).toHaveLength(1);
  });

  it('who carry the roles that they change never wait for each other in a circle', async () => {
    const first = await seedAdministrator();
    const { tenantId } = first;
    const second = await seedAdministrator({ tenantId });
    const role = await makeRole(app, first, 'Both', []);
    await giveRoles(first, role);
    await giveRoles(second, role);
    for (let round = 0; round < 5; round += 1) {
      const answers = await Promise.all(
        [first, second, first, second].map((who, n) =>
          change(who, role, [], { name: `Round ${round}.${n}` }),
        ),
      );
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    }
    expect(await auditOf('ROLE_UPDATED', tenantId)).toHaveLength(20);
  });

  it('of whom one deletes a role and the other hands it out: nobody is left with a role that is gone', async () => {
    const admin = await seedAdministrator();
    const { tenantId } = admin;
    for (let round = 0; round < 6; round += 1) {
      const role = await makeRole(app, admin, `Round ${round}`, [STAFF]);
      const member = await seedTestUserAndToken({ tenantId });
      const [deleted, given] = await Promise.all([
        as(app, admin).del(`/api/tenants/roles/${role}`),
        giveRoles(member, role).then(
          () => 'given',
          (error: { code?: string }) => error.code,
        ),
      ]);
      const outcome = [deleted.status, given];
      expect([
        [204, 'UNKNOWN_ROLE'],
        [409, 'given'],
      ]).toContainEqual(outcome);
      const held = await accessNow(member);
      expect(held?.roles).toEqual(given === 'given' ? [role] : []);
      expect(held?.permissions).toEqual(given === 'given' ? [STAFF] : []);
    }
  });
});
