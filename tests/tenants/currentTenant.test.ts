import request from 'supertest';
import { app } from '@/server/app';
import { auditOf, setStaffStatus } from '@/tests/helpers/database/authRows';
import { seedAdministrator } from '@/tests/helpers/people/administrator';
import { as } from '@/tests/helpers/people/officer';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { codeAt, giveFactor } from '@/tests/helpers/stepUp/secondFactor';

const CURRENT = '/api/tenants/current';
const call = (method: 'get' | 'put', { token }: SeededAuth, body?: object) =>
  request(app)[method](CURRENT).set('authorization', `Bearer ${token}`).send(body);

describe('the own tenant', () => {
  it('is shown to every member, without the number of members', async () => {
    const member = await seedTestUserAndToken();
    const res = await call('get', member);
    expect([res.status, res.body]).toStrictEqual([
      200,
      {
        id: member.tenantId,
        slug: member.tenantSlug,
        name: expect.stringMatching(/^Tenant /),
        status: 'active',
        createdAt: expect.stringMatching(/^\d{4}-.*Z$/),
        needsApproval: false,
      },
    ]);
    expect((await request(app).get(CURRENT)).status).toBe(401);
  });

  it('is shown with the number of members to those who may see them', async () => {
    const viewer = await seedTestUserAndToken({ permissions: ['TENANT_STAFF_VIEW'] });
    const { tenantId } = viewer;
    await seedTestUserAndToken({ tenantId });
    await setStaffStatus((await seedTestUserAndToken({ tenantId })).staffId, 'disabled');
    await seedTestUserAndToken();
    expect((await call('get', viewer)).body.members).toStrictEqual({ active: 2, disabled: 1 });
  });
});

describe('renaming the own tenant', () => {
  it('takes a proof for exactly this name, keeps the slug, and records both names', async () => {
    const administrator = await seedAdministrator();
    const { tenantId, tenantSlug } = administrator;
    const RENAMED = { name: 'Globex Ltd', ticket: 'OPS-1' };
    const secret = await giveFactor(administrator);
    const { name: before } = (await call('get', administrator)).body;
    const asked = await call('put', administrator, RENAMED);
    expect(asked.status).toBe(428);
    const { challengeId, purpose } = asked.body;
    const code = codeAt(secret, new Date());
    const proof = request(app).post('/api/security/step-up/verify');
    const proven = await proof
      .set('authorization', `Bearer ${administrator.token}`)
      .send({ code, purpose, challengeId });
    expect(proven.status).toBe(200);
    expect((await call('put', administrator, { name: 'Another' })).status).toBe(428);
    const renamed = await call('put', administrator, RENAMED);
    expect([renamed.status, renamed.body]).toMatchObject([
      200,
      { id: tenantId, slug: tenantSlug, name: 'Globex Ltd' },
    ]);
    expect((await call('put', administrator, RENAMED)).status).toBe(428);
    expect(await auditOf('TENANT_RENAMED', tenantId)).toMatchObject([
      {
        ...{ actor: administrator.staffId, subject: `tenant:${tenantId}`, outcome: 'success' },
        details: { before, after: 'Globex Ltd', via: 'api', ticket: 'OPS-1' },
      },
    ]);
  });

  it('to the name that it has changes and records nothing', async () => {
    const administrator = await seedAdministrator();
    const { name } = (await call('get', administrator)).body;
    expect((await as(app, administrator).put(CURRENT, { name })).status).toBe(200);
    expect(await auditOf('TENANT_RENAMED', administrator.tenantId)).toHaveLength(0);
  });

  it('needs the permission TENANT_ROLES_MANAGE', async () => {
    const member = await seedTestUserAndToken({ permissions: ['TENANT_STAFF_MANAGE'] });
    const res = await as(app, member).put(CURRENT, { name: 'Mine' });
    expect([res.status, res.body.error]).toStrictEqual([403, 'FORBIDDEN']);
  });

  it.each([
    ['an empty name', { name: '' }],
    ['a blank name', { name: '   ' }],
    ['a line break, which could look like the end of a mail', { name: 'Globex\n\nPay here' }],
    ['a control character', { name: 'Globex\u0007' }],
    ['a mark that reverses the text', { name: 'Globex \u202Exobolg' }],
    ['a name of 201 characters', { name: 'x'.repeat(201) }],
    ['no name', {}],
    ['a slug', { name: 'Fine', slug: 'other' }],
  ])('refuses %s and names the field', async (_what, body) => {
    const res = await as(app, await seedAdministrator()).put(CURRENT, body);
    expect([res.status, res.body.error]).toStrictEqual([400, 'INVALID_INPUT']);
    expect(res.body.issues.length).toBeGreaterThan(0);
  });
});
