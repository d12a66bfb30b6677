import type { Express } from 'express';
import request from 'supertest';
import { BUILT_IN_PERMISSIONS } from '@/server/permissions';
import { auditOf, challengesOf } from '@/tests/helpers/database/authRows';
import { accessNow, giveRoles, seedAdministrator } from '@/tests/helpers/people/administrator';
import { demandApprovals, seedAdministrators } from '@/tests/helpers/people/fourEyes';
import { as } from '@/tests/helpers/people/officer';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { codeAt, giveFactor } from '@/tests/helpers/stepUp/secondFactor';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app, deps } = buildApp();

type Method = 'get' | 'post' | 'put' | 'delete';
/** Method, the rest of the path, body, needed permission, and the kind of guard. */
type Route = [method: Method, tail: string, body: object | undefined, needs: string];

const READS: Route[] = [
  ['get', '', undefined, 'TENANT_STAFF_VIEW'],
  ['get', '/sessions', undefined, 'TENANT_STAFF_VIEW'],
];
const PROVEN: Route[] = [
  ['put', '/roles', { roles: [] }, 'TENANT_ROLES_MANAGE'],
  ['post', '/disable', {}, 'TENANT_STAFF_MANAGE'],
  ['post', '/enable', {}, 'TENANT_STAFF_MANAGE'],
  ['post', '/reset-factors', { reason: 'The phone was lost' }, 'TENANT_STAFF_MANAGE'],
  ['delete', '', undefined, 'TENANT_STAFF_MANAGE'],
];
const EMERGENCIES: Route[] = [
  ['post', '/force-logout', undefined, 'TENANT_STAFF_MANAGE'],
  ['delete', '/sessions/:sessionId', undefined, 'TENANT_STAFF_MANAGE'],
];

function send(on: Express, who: SeededAuth, [method, tail, body]: Route, subject: SeededAuth) {
  const rest = tail.replace(':sessionId', subject.sessionId);
  return request(on)
    [method](`/api/tenants/staff/${subject.staffId}${rest}`)
    .set('authorization', `Bearer ${who.token}`)
    .send(body);
}
const proven = (...call: Parameters<typeof send>) => send(...call).set('x-stepup-test-bypass', '1');

const join = ({ tenantId }: SeededAuth, permissions: string[] = []) =>
  seedTestUserAndToken({ tenantId, permissions });

describe('each route of a member', () => {
  it.each([...READS, ...PROVEN, ...EMERGENCIES])('%s %s needs its permission', async (...route) => {
    const admin = await seedAdministrator();
    const others = BUILT_IN_PERMISSIONS.filter((one) => one !== route[3]);
    const weak = await join(admin, others);
    const subject = await join(admin);
    const res = await proven(app, weak, route, subject);
    expect([res.status, res.body.error]).toEqual([403, 'FORBIDDEN']);
    expect(res.body.detail).toContain(route[3]);
  });

  it.each(PROVEN)('%s %s needs a proof for exactly this request', async (...route) => {
    const admin = await seedAdministrator();
    const secret = await giveFactor(admin);
    const subject = await join(admin);
    const refused = await send(app, admin, route, subject);
    expect([refused.status, refused.body.error]).toEqual([428, 'STEP_UP_REQUIRED']);
    const verified = await request(app)
      .post('/api/security/step-up/verify')
      .set('authorization', `Bearer ${admin.token}`)
      .send({
        ...refused.body,
        code: codeAt(secret, deps.clock.now()),
        purpose: 'security_settings',
      });
    expect(verified.status).toBe(200);
    const other = await join(admin);
    expect((await send(app, admin, route, other)).status).toBe(428);
    const done = await send(app, admin, route, subject);
    expect([200, 204]).toContain(done.status);
    const [challenge] = (await challengesOf(admin.staffId)).filter((it) => it.consumedAt !== null);
    expect(challenge?.act).toContain('/api/tenants/staff/:id');
    const again = await send(app, admin, route, subject);
    expect([404, 428]).toContain(again.status);
  });

  it.each(EMERGENCIES)('%s %s needs no proof, because it must be quick', async (...route) => {
    const admin = await seedAdministrator();
    const subject = await join(admin);
    expect((await send(app, admin, route, subject)).status).toBe(204);
  });

  it.each([...PROVEN, ...EMERGENCIES])(
    '%s %s refuses somebody who holds more than the actor',
    async (...route) => {
      const owner = await seedAdministrator();
      const admin = await join(owner, ['TENANT_STAFF_MANAGE', 'TENANT_ROLES_MANAGE']);
      const res = await proven(app, admin, route, owner);
      expect([res.status, res.body.error]).toEqual([403, 'NOT_YOURS_TO_MANAGE']);
      expect(await accessNow(owner)).toMatchObject({ permissions: [...BUILT_IN_PERMISSIONS] });
      expect((await as(app, owner).get('/api/auth/me')).status).toBe(200);
    },
  );

  it.each([...PROVEN, ...EMERGENCIES])('%s %s finds no former member', async (...route) => {
    const admin = await seedAdministrator();
    const former = await join(admin);
    expect((await as(app, admin).del(`/api/tenants/staff/${former.staffId}`)).status).toBe(204);
    expect((await proven(app, admin, route, former)).status).toBe(404);
  });

  it.each([...READS, ...PROVEN, ...EMERGENCIES])(
    '%s %s answers a text that is no id with 404',
    async (...route) => {
      const admin = await seedAdministrator();
      const nobody = { ...admin, staffId: 'no-id' };
      expect((await proven(app, admin, route, nobody)).status).toBe(404);
    },
  );
});

describe('an administrator and their own membership', () => {
  it.each(PROVEN.filter(([, tail]) => !['/roles', '/enable'].includes(tail)))(
    '%s %s is refused: 409 OWN_MEMBERSHIP',
    async (...route) => {
      const admin = await seedAdministrator();
      await seedAdministrator({ tenantId: admin.tenantId });
      const res = await proven(app, admin, route, admin);
      expect([res.status, res.body.error]).toEqual([409, 'OWN_MEMBERSHIP']);
      expect((await as(app, admin).get('/api/auth/me')).status).toBe(200);
    },
  );

  it.each(PROVEN.filter(([, tail]) => !['/roles', '/enable'].includes(tail)))(
    '%s %s is refused for the same id in capitals too, and records nothing',
    async (...route) => {
      const admin = await seedAdministrator();
      await seedAdministrator({ tenantId: admin.tenantId });
      const inCapitals = { ...admin, staffId: admin.staffId.toUpperCase() };
      const res = await proven(app, admin, route, inCapitals);
      expect([res.status, res.body.error]).toEqual([409, 'OWN_MEMBERSHIP']);
      expect((await as(app, admin).get('/api/auth/me')).status).toBe(200);
      for (const action of ['STAFF_DISABLED', 'STAFF_REMOVED', 'FACTORS_RESET']) {
        expect(await auditOf(action, admin.tenantId)).toEqual([]);
      }
    },
  );

  it('may give permissions up, and get none', async () => {
    const admin = await seedAdministrator();
    await giveRoles(await join(admin), 'owner');
    const path = `/api/tenants/staff/${admin.staffId}/roles`;
    const less = { roles: [], permissions: ['TENANT_ROLES_MANAGE'] };
    expect((await as(app, admin).put(path, less)).body).toMatchObject({
      permissions: ['TENANT_ROLES_MANAGE'],
    });
    const more = await as(app, admin).put(path, { roles: ['owner'] });
    expect([more.status, more.body.error]).toEqual([403, 'NOT_YOURS_TO_GIVE']);
  });
});

describe('a change of roles', () => {
  it('counts at the next request, and says who asked, why, and how long it took', async () => {
    const admin = await seedAdministrator();
    const member = await join(admin);
    const list = () => as(app, member).get('/api/tenants/staff');
    expect((await list()).status).toBe(403);
    const body = { roles: ['auditor'], ticket: 'HR-7', reason: 'Audits the year' };
    const res = await as(app, admin).put(`/api/tenants/staff/${member.staffId}/roles`, body);
    expect(res.body).toStrictEqual({
      staffId: member.staffId,
      roles: ['auditor'],
      permissions: ['SETTINGS_SECURITY_VIEW', 'TENANT_STAFF_VIEW'],
    });
    expect((await list()).status).toBe(200);
    const [event] = await auditOf('STAFF_PERMISSIONS_CHANGED', admin.tenantId);
    expect(event).toMatchObject({ actor: admin.staffId, subject: `staff:${member.staffId}` });
    expect(event?.details).toStrictEqual({
      before: [],
      after: ['SETTINGS_SECURITY_VIEW', 'TENANT_STAFF_VIEW'],
      rolesBefore: [],
      rolesAfter: ['auditor'],
      via: 'api',
      requestedBy: admin.staffId,
      secondsToEffect: expect.any(Number),
      reason: 'Audits the year',
      ticket: 'HR-7',
    });
  });

  it('is recorded under the stored id, if the path has it in capitals', async () => {
    const admin = await seedAdministrator();
    const member = await join(admin);
    const path = `/api/tenants/staff/${member.staffId.toUpperCase()}/roles`;
    const res = await as(app, admin).put(path, { roles: ['auditor'] });
    expect(res.body).toMatchObject({ staffId: member.staffId });
    const [event] = await auditOf('STAFF_PERMISSIONS_CHANGED', admin.tenantId);
    expect(event?.subject).toBe(`staff:${member.staffId}`);
  });

  it('waits for a second administrator if the tenant demands it: 202', async () => {
    const [admin, second] = (await seedAdministrators(2)) as [SeededAuth, SeededAuth];
    await demandApprovals(app, admin);
    const member = await join(admin);
    const path = `/api/tenants/staff/${member.staffId}/roles`;
    const asked = await as(app, admin).put(path, { roles: ['owner'] });
    expect([asked.status, asked.body.approval.status]).toEqual([202, 'open']);
    expect(await accessNow(member)).toEqual({ roles: [], permissions: [] });
    const approve = `/api/tenants/approvals/${String(asked.body.approval.id)}/approve`;
    expect((await as(app, second).post(approve, {})).status).toBe(200);
    expect(await accessNow(member)).toMatchObject({ roles: ['owner'] });
  });

  it('refuses what the actor does not hold, a role that is none, and the last administrator', async () => {
    const admin = await seedAdministrator();
    const roles = (who: SeededAuth, body: object, by = admin) =>
      as(app, by).put(`/api/tenants/staff/${who.staffId}/roles`, body);
    const weak = await join(admin, ['TENANT_ROLES_MANAGE']);
    const member = await join(admin);
    const errors = async (call: ReturnType<typeof roles>) => {
      const { status, body } = await call;
      return [status, body.error];
    };
    expect(await errors(roles(member, { roles: ['auditor'] }, weak))).toEqual([
      403,
      'NOT_YOURS_TO_GIVE',
    ]);
    expect(await errors(roles(member, { roles: ['king'] }))).toEqual([400, 'UNKNOWN_ROLE']);
    const unknown = { roles: [], permissions: ['NOT_A_PERMISSION'] };
    expect(await errors(roles(member, unknown))).toEqual([400, 'UNKNOWN_PERMISSION']);
    expect(await errors(roles(admin, { roles: [], permissions: [] }))).toEqual([
      409,
      'LAST_ADMINISTRATOR',
    ]);
    for (const body of [
      {},
      { roles: 'owner' },
      { roles: [], more: 1 },
      { roles: [], ticket: '' },
    ]) {
      expect(await errors(roles(member, body))).toEqual([400, 'INVALID_INPUT']);
    }
    expect(await accessNow(member)).toEqual({ roles: [], permissions: [] });
  });
});
