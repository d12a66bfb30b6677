import type { Response } from 'supertest';
import { auditOf } from '@/tests/helpers/database/authRows';
import { accessNow, giveRoles, makeRole } from '@/tests/helpers/people/administrator';
import { demandApprovals, seedAdministrators } from '@/tests/helpers/people/fourEyes';
import { as } from '@/tests/helpers/people/officer';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app } = buildApp();
const PRIVILEGED = ['SETTINGS_SECURITY_EDIT'];
const approve = (who: SeededAuth, { body }: Response) =>
  as(app, who).post(`/api/tenants/approvals/${String(body.approval.id)}/approve`, {});
const rolesOf = async (who: SeededAuth) =>
  ((await as(app, who).get('/api/tenants/roles')).body.roles as { id: string; name: string }[]).map(
    ({ name }) => name,
  );

async function seedTenant() {
  const [ann, bob] = (await seedAdministrators(2)) as [SeededAuth, SeededAuth];
  const roleId = await makeRole(app, ann, 'Support', ['TENANT_STAFF_VIEW']);
  const dan = await seedTestUserAndToken({ tenantId: ann.tenantId });
  await giveRoles(dan, roleId);
  await demandApprovals(app, ann);
  return { ann, bob, dan, roleId, tenantId: ann.tenantId };
}

describe('a new role with a privileged permission', () => {
  it('exists only after the approval, with the one who asked and the one who approved', async () => {
    const { ann, bob, tenantId } = await seedTenant();
    const input = { name: 'Security', description: '', permissions: PRIVILEGED };
    const asked = await as(app, ann).post('/api/tenants/roles', input);
    expect([asked.status, asked.body.approval.kind]).toEqual([202, 'role']);
    expect(asked.body.approval).toMatchObject({ given: PRIVILEGED, subject: null });
    expect(await rolesOf(ann)).not.toContain('Security');
    expect((await approve(ann, asked)).status).toBe(403);
    expect((await approve(bob, asked)).status).toBe(200);
    expect(await rolesOf(ann)).toContain('Security');
    expect((await auditOf('ROLE_CREATED', tenantId))[1]).toMatchObject({
      actor: bob.staffId,
      details: { requestedBy: ann.staffId, approvedBy: bob.staffId, after: input },
    });
  });

  it('is outdated if the name was taken meanwhile', async () => {
    const { ann, bob } = await seedTenant();
    const asked = await as(app, ann).post('/api/tenants/roles', {
      ...{ name: 'Security', permissions: PRIVILEGED },
    });
    await makeRole(app, bob, 'security', []);
    expect((await approve(bob, asked)).body.error).toBe('APPROVAL_OUTDATED');
  });

  it('waits only if the permission is privileged', async () => {
    const { ann } = await seedTenant();
    await makeRole(app, ann, 'Readers', ['SETTINGS_SECURITY_VIEW']);
    expect(await rolesOf(ann)).toContain('Readers');
  });
});

describe('a privileged permission added to a role', () => {
  const name = 'Support';
  const ask = async ({ ann, roleId }: Awaited<ReturnType<typeof seedTenant>>, more = PRIVILEGED) =>
    as(app, ann).put(`/api/tenants/roles/${roleId}`, {
      ...{ name, permissions: ['TENANT_STAFF_VIEW', ...more] },
    });

  it('reaches those who carry the role only after the approval', async () => {
    const it = await seedTenant();
    const asked = await ask(it);
    expect(asked.status).toBe(202);
    expect((await accessNow(it.dan))?.permissions).toEqual(['TENANT_STAFF_VIEW']);
    expect((await approve(it.bob, asked)).status).toBe(200);
    expect((await accessNow(it.dan))?.permissions).toEqual([...PRIVILEGED, 'TENANT_STAFF_VIEW']);
    const who = { requestedBy: it.ann.staffId, approvedBy: it.bob.staffId };
    expect(await auditOf('ROLE_UPDATED', it.tenantId)).toMatchObject([{ details: who }]);
    const changes = await auditOf('STAFF_PERMISSIONS_CHANGED', it.tenantId);
    expect(changes.at(-1)).toMatchObject({ subject: `staff:${it.dan.staffId}`, details: who });
  });

  it('is outdated if somebody else has got the role meanwhile, or the role was changed', async () => {
    const first = await seedTenant();
    const asked = await ask(first);
    const eve = await seedTestUserAndToken({ tenantId: first.tenantId });
    await giveRoles(eve, first.roleId);
    expect((await approve(first.bob, asked)).body.error).toBe('APPROVAL_OUTDATED');
    const second = await seedTenant();
    const waiting = await ask(second);
    expect((await ask(second, ['SETTINGS_SECURITY_VIEW'])).status).toBe(200);
    expect((await approve(second.bob, waiting)).body.error).toBe('APPROVAL_OUTDATED');
    expect((await accessNow(second.dan))?.permissions).not.toContain('SETTINGS_SECURITY_EDIT');
  });
});
