import { db } from '@/server/db';
import { sql } from 'drizzle-orm';
import { forceLogoutAll } from '@/server/tenants';
import { auditOf } from '@/tests/helpers/database/authRows';
import { me } from '@/tests/helpers/http/authCalls';
import { seedAdministrator } from '@/tests/helpers/people/administrator';
import { as } from '@/tests/helpers/people/officer';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { operatorContext } from '@/tests/helpers/server/openNode';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app, deps } = buildApp();
const PATH = '/api/tenants/staff/force-logout';

async function seedMembers({ tenantId }: SeededAuth, count: number): Promise<SeededAuth[]> {
  const members: SeededAuth[] = [];
  for (let n = 0; n < count; n += 1) members.push(await seedTestUserAndToken({ tenantId }));
  return members;
}

const endedOf = async (tenantId: string) =>
  (await auditOf('SESSION_INVALIDATED', tenantId)).map(({ subject }) => subject).sort();

describe('the forced logout of all members', () => {
  it('ends each member once, over several transactions, and spares the actor', async () => {
    const admin = await seedAdministrator();
    const members = await seedMembers(admin, 55);
    const stranger = await seedTestUserAndToken();
    const res = await as(app, admin).post(PATH, { ticket: 'SEC-1' });
    expect(res.body).toEqual({ ended: 55, skipped: 0 });
    expect(await endedOf(admin.tenantId)).toEqual(
      members.map(({ staffId }) => `staff:${staffId}`).sort(),
    );
    const [event] = await auditOf('SESSION_INVALIDATED', admin.tenantId);
    expect(event).toMatchObject({ actor: admin.staffId, details: { ticket: 'SEC-1' } });
    expect((await me(app, admin.token)).status).toBe(200);
    expect((await me(app, stranger.token)).status).toBe(200);
    expect((await me(app, members[54]?.token ?? '')).status).toBe(401);
  });

  it('repeated finds only those who are left', async () => {
    const admin = await seedAdministrator();
    await seedMembers(admin, 2);
    expect((await as(app, admin).post(PATH, {})).body).toEqual({ ended: 2, skipped: 0 });
    await seedMembers(admin, 1);
    expect((await as(app, admin).post(PATH, {})).body).toEqual({ ended: 1, skipped: 0 });
    expect((await as(app, admin).post(PATH, {})).body).toEqual({ ended: 0, skipped: 0 });
  });

  it('includes the actor if they say so', async () => {
    const admin = await seedAdministrator();
    expect((await as(app, admin).post(PATH, { includeMe: true })).body).toEqual({
      ended: 1,
      skipped: 0,
    });
    expect((await me(app, admin.token)).status).toBe(401);
  });

  it('skips members who hold more than the actor', async () => {
    const owner = await seedAdministrator();
    const { tenantId } = owner;
    const admin = await seedTestUserAndToken({ tenantId, permissions: ['TENANT_STAFF_MANAGE'] });
    await seedMembers(owner, 1);
    expect((await as(app, admin).post(PATH, {})).body).toEqual({ ended: 1, skipped: 1 });
    expect((await me(app, owner.token)).status).toBe(200);
  });

  it('also ends a proof that somebody without a session has begun', async () => {
    const admin = await seedAdministrator();
    const [member] = await seedMembers(admin, 1);
    await as(app, admin).post(PATH, {});
    await db.execute(sql`INSERT INTO step_up_challenges (tenant_id, user_id, staff_id, origin, purpose, expires_at, session_version)
      SELECT tenant_id, user_id, id, 'login', 'security_settings', now() + interval '10 minutes', session_version
      FROM tenant_staff WHERE id = ${member?.staffId}`);
    expect((await as(app, admin).post(PATH, {})).body).toEqual({ ended: 1, skipped: 0 });
  });

  it('needs a proof, and by an operator none', async () => {
    const admin = await seedAdministrator();
    const res = await as(app, admin).post(PATH, {}).set('x-stepup-test-bypass', '0');
    expect(res.status).toBe(428);
    const how = { via: 'operator' as const };
    expect(await forceLogoutAll(deps, operatorContext, admin.tenantId, how)).toEqual({
      ended: 1,
      skipped: 0,
    });
  });
});
