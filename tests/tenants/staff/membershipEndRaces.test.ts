import { eq, inArray, sql } from 'drizzle-orm';
import { db } from '@/server/db';
import { auditLogs, tenantStaff } from '@/server/db/schema';
import { deleteTenant, endMemberships, restoreTenant, suspendTenant } from '@/server/tenants';
import { me } from '@/tests/helpers/http/authCalls';
import { seedAdministrator } from '@/tests/helpers/people/administrator';
import { as } from '@/tests/helpers/people/officer';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { openNode, operatorContext } from '@/tests/helpers/server/openNode';

const [here, there] = [openNode(), openNode()];
const SOON = sql`clock_timestamp() + interval '600 milliseconds'`;
const LATER = new Date(Date.now() + 3_600_000).toISOString();
const path = (staffId: string) => `/api/tenants/staff/${staffId}`;

/** Makes members of a tenant by SQL, all with the same end. */
async function seedGuests({ tenantId }: SeededAuth, number: number): Promise<string[]> {
  const { rows } = await db.execute<{ id: string }>(sql`WITH people AS (
      INSERT INTO users (id, email, password_hash)
      SELECT gen_random_uuid(), 'guest-' || gen_random_uuid() || '@example.com', 'none'
      FROM generate_series(1, ${number}) RETURNING id)
    INSERT INTO tenant_staff (id, tenant_id, user_id, ends_at)
    SELECT gen_random_uuid(), ${tenantId}, id, ${SOON} FROM people RETURNING id`);
  return rows.map(({ id }) => id);
}

const rowsOf = (ids: string[]) => db.select().from(tenantStaff).where(inArray(tenantStaff.id, ids));

/** Returns how often each member was removed, by the events. */
async function removalsOf({ tenantId }: SeededAuth): Promise<Map<string, number>> {
  const events = await db.select().from(auditLogs).where(eq(auditLogs.tenantId, tenantId));
  const counts = new Map<string, number>();
  for (const { action, subject } of events) {
    if (action !== 'STAFF_REMOVED' || subject === null) continue;
    const id = subject.replace('staff:', '');
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
}

/** Lets both nodes remove whose time is over, until every one of these members is settled. */
async function endUntil(settled: () => Promise<boolean>): Promise<void> {
  while (!(await settled()))
    await Promise.all([endMemberships(here.deps), endMemberships(there.deps)]);
}

describe('the end of fifty memberships at once', () => {
  it('against an extension: each member stays with it, or is removed once', async () => {
    const administrator = await seedAdministrator();
    const guests = await seedGuests(administrator, 50);
    const extend = async (staffId: string, index: number) => {
      const { app } = index % 2 ? here : there;
      return (await as(app, administrator).put(`${path(staffId)}/end`, { endsAt: LATER })).status;
    };
    const extending = Promise.all(guests.map(extend));
    await endUntil(async () =>
      (await rowsOf(guests)).every(
        ({ status, endsAt }) => status === 'removed' || endsAt?.toISOString() === LATER,
      ),
    );
    const answers = await extending;
    const removals = await removalsOf(administrator);
    const rows = new Map((await rowsOf(guests)).map((row) => [row.id, row]));
    guests.forEach((id, index) => {
      const { status, endsAt } = rows.get(id) ?? {};
      expect([answers[index], status, endsAt?.toISOString(), removals.get(id)]).toEqual(
        answers[index] === 200 ? [200, 'active', LATER, undefined] : [404, 'removed', undefined, 1],
      );
    });
  });

  it('against a removal by an administrator: each is removed once', async () => {
    const administrator = await seedAdministrator();
    const guests = await seedGuests(administrator, 50);
    const remove = async (staffId: string, index: number) => {
      const { app } = index % 2 ? here : there;
      return (await as(app, administrator).del(path(staffId))).status;
    };
    const removing = Promise.all(guests.map(remove));
    await endUntil(async () => (await rowsOf(guests)).every(({ status }) => status === 'removed'));
    expect((await removing).filter((status) => ![204, 404].includes(status))).toEqual([]);
    const removals = await removalsOf(administrator);
    expect(guests.map((id) => removals.get(id))).toEqual(guests.map(() => 1));
  });
});

describe('a membership that ends while its tenant is closed', () => {
  const pass = ({ staffId }: SeededAuth) =>
    db
      .update(tenantStaff)
      .set({ endsAt: sql`clock_timestamp() - interval '1 second'` })
      .where(eq(tenantStaff.id, staffId));

  it('is over when the tenant is restored', async () => {
    const who = await seedTestUserAndToken();
    const colleague = await seedTestUserAndToken({ tenantId: who.tenantId });
    await suspendTenant(here.deps, operatorContext, who);
    await pass(who);
    expect(await endMemberships(there.deps)).toBe(1);
    await restoreTenant(here.deps, operatorContext, who);
    expect((await me(there.app, who.token)).status).toBe(401);
    const rows = await rowsOf([who.staffId, colleague.staffId]);
    expect(new Map(rows.map(({ id, status }) => [id, status]))).toEqual(
      new Map([
        [who.staffId, 'removed'],
        [colleague.staffId, 'active'],
      ]),
    );
  });

  it('ends as well in a deleted tenant', async () => {
    const who = await seedTestUserAndToken();
    await deleteTenant(here.deps, operatorContext, who);
    await pass(who);
    expect(await endMemberships(there.deps)).toBe(1);
    expect(await rowsOf([who.staffId])).toMatchObject([{ status: 'removed' }]);
  });
});
