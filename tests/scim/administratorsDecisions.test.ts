import { eq } from 'drizzle-orm';
import { db } from '@/server/db';
import { tenantStaff } from '@/server/db/schema';
import { auditOf } from '@/tests/helpers/database/authRows';
import { provision, seedDirectory } from '@/tests/helpers/people/directory';
import type { Directory, ScimUser } from '@/tests/helpers/people/directory';
import { as } from '@/tests/helpers/people/officer';
import { openNode } from '@/tests/helpers/server/openNode';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app } = buildApp();
const another = openNode();
let directory: Directory;
beforeAll(async () => {
  directory = await seedDirectory(app);
});

const STAFF = '/api/tenants/staff';
const TOMORROW = () => new Date(Date.now() + 36 * 3_600_000).toISOString();
const OFF = { op: 'replace', path: 'active', value: false };
const ON = { ...OFF, value: true };
const rename = (userName: string) => ({ op: 'replace', path: 'userName', value: userName });

async function memberOf({ id }: ScimUser) {
  const [row] = await db.select().from(tenantStaff).where(eq(tenantStaff.id, id));
  return row;
}

/** A user of the directory whose membership an administrator has given an end. */
async function seedLimited(): Promise<ScimUser> {
  const user = await provision(directory);
  const endsAt = TOMORROW();
  const limited = await as(app, directory.admin).put(`${STAFF}/${user.id}/end`, { endsAt });
  expect(limited.status).toBe(200);
  return user;
}

describe('a member whom the directory disabled and then an administrator', () => {
  it('is enabled by the administrator alone, and the audit log says who decided', async () => {
    const { calls, admin } = directory;
    const user = await provision(directory);
    await calls.patch(user.id, OFF).expect(200);
    const since = (await memberOf(user))?.disabledAt;
    for (let time = 0; time < 2; time += 1) {
      await as(app, admin).post(`${STAFF}/${user.id}/disable`, {}).expect(204);
    }
    for (const res of [
      await calls.patch(user.id, ON),
      await calls.put(user.id, { active: true }),
    ]) {
      expect([res.status, res.body.detail]).toEqual([
        409,
        expect.stringContaining('administrator'),
      ]);
    }
    await calls.del(user.id).expect(204);
    expect((await calls.post({ userName: user.userName })).status).toBe(409);
    expect(await memberOf(user)).toMatchObject({ status: 'removed', disabledAt: since });
    expect(await auditOf('STAFF_KEPT_DISABLED', admin.tenantId)).toMatchObject([
      { subject: `staff:${user.id}`, details: { via: 'api', requestedBy: admin.staffId } },
    ]);
  });

  it('can be disabled and enabled by the directory again after the administrator enabled them', async () => {
    const { calls, admin } = directory;
    const user = await provision(directory);
    await calls.patch(user.id, OFF).expect(200);
    await as(app, admin).post(`${STAFF}/${user.id}/disable`, {}).expect(204);
    await as(app, admin).post(`${STAFF}/${user.id}/enable`, {}).expect(204);
    await calls.patch(user.id, OFF).expect(200);
    await calls.patch(user.id, ON).expect(200);
  });
});

it('an administrator who disables a leaver while the directory enables them has the last word', async () => {
  const { calls, admin } = directory;
  for (let round = 0; round < 8; round += 1) {
    const user = await provision(directory);
    await calls.patch(user.id, OFF).expect(200);
    const [enabled, disabled] = await Promise.all([
      calls.patch(user.id, ON),
      as(another.app, admin).post(`${STAFF}/${user.id}/disable`, {}),
    ]);
    expect([200, 409]).toContain(enabled.status);
    expect(disabled.status).toBe(204);
    expect(await memberOf(user)).toMatchObject({ status: 'disabled' });
    expect((await calls.patch(user.id, ON)).status).toBe(409);
  }
});

describe('the end that an administrator gave a membership', () => {
  it('is not lifted by a DELETE and a new POST before it is reached', async () => {
    const { calls } = directory;
    const user = await seedLimited();
    await calls.del(user.id).expect(204);
    const back = await calls.post({ userName: user.userName });
    expect([back.status, back.body.detail]).toEqual([409, expect.stringContaining('invitation')]);
    expect(await memberOf(user)).toMatchObject({ status: 'removed' });
  });

  it('is not lifted by them after it is reached, and before the node removes the member', async () => {
    const { calls } = directory;
    const user = await seedLimited();
    const endsAt = new Date(Date.now() - 1000);
    await db.update(tenantStaff).set({ endsAt }).where(eq(tenantStaff.id, user.id));
    await calls.del(user.id).expect(204);
    expect((await calls.post({ userName: user.userName })).status).toBe(409);
    expect(await memberOf(user)).toMatchObject({ status: 'removed' });
  });
});

describe('the userName of somebody whom an administrator removed', () => {
  async function seedRemoved(): Promise<string> {
    const { calls, admin, newAddress } = directory;
    const user = await provision(directory);
    const userName = newAddress();
    await calls.patch(user.id, rename(userName)).expect(200);
    await as(app, admin).del(`${STAFF}/${user.id}`).expect(204);
    return userName;
  }

  it('is free for a new user', async () => {
    const userName = await seedRemoved();
    const made = await directory.calls.post({ userName: userName.toUpperCase() });
    expect(made.status).toBe(201);
    const found = await directory.calls.find(`userName eq "${userName}"`);
    expect(found.body.Resources).toMatchObject([{ id: made.body.id }]);
  });

  it('is free for a user who gets another name', async () => {
    const userName = await seedRemoved();
    const { id } = await provision(directory);
    expect((await directory.calls.patch(id, rename(userName))).status).toBe(200);
  });
});
