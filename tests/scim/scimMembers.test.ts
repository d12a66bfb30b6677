import { eq } from 'drizzle-orm';
import { db } from '@/server/db';
import { tenantStaff, users } from '@/server/db/schema';
import { auditOf } from '@/tests/helpers/database/authRows';
import {
  ADMINISTERS,
  USERS,
  provision,
  seedDirectory,
  seedDomain,
} from '@/tests/helpers/people/directory';
import type { Directory } from '@/tests/helpers/people/directory';
import { as } from '@/tests/helpers/people/officer';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app } = buildApp();
let directory: Directory;
beforeAll(async () => {
  directory = await seedDirectory(app);
});

const OFF = { op: 'replace', value: { active: false } };
const ON = { op: 'replace', value: { active: true } };
const STAFF = '/api/tenants/staff';

async function personOf(userId: string) {
  const [row] = await db.select().from(users).where(eq(users.id, userId));
  return row;
}
async function memberOf(staffId: string) {
  const [row] = await db.select().from(tenantStaff).where(eq(tenantStaff.id, staffId));
  return row;
}
/** Seeds a member of the tenant whose address is of the proven domain. */
const seedColleague = (permissions: string[] = []) =>
  seedTestUserAndToken({
    tenantId: directory.admin.tenantId,
    email: directory.newAddress(),
    permissions,
  });
/** Seeds a member, and lets the directory take them over. */
async function adopt(permissions: string[] = []) {
  const member = await seedColleague(permissions);
  const { status, body } = await directory.calls.post({ userName: member.email });
  expect([status, body.id]).toEqual([201, member.staffId]);
  return member;
}

describe('a user whom a directory creates', () => {
  it('is a member with the role member alone, and cannot be told from a person who exists elsewhere', async () => {
    const { calls, newAddress } = directory;
    const elsewhere = await seedTestUserAndToken({
      email: newAddress(),
      permissions: ['API_KEYS_MANAGE'],
    });
    const before = await personOf(elsewhere.userId);
    const name = { givenName: 'Not', familyName: 'Theirs' };
    const known = await calls.post({ userName: elsewhere.email, name });
    const fresh = await calls.post({ userName: newAddress(), name });
    const shape = ({ status, headers, body }: typeof known) => ({
      status,
      headers: Object.keys(headers).sort(),
      body: {
        ...(body as object),
        ...{ id: null, userName: null },
        meta: { ...(body.meta as object), created: 0, lastModified: 0, location: 0 },
      },
    });
    expect(shape(known)).toEqual(shape(fresh));
    expect(await personOf(elsewhere.userId)).toEqual(before);
    const made = await memberOf(fresh.body.id as string);
    expect(await personOf(made?.userId ?? '')).toMatchObject({ passwordHash: null, name: null });
    const row = await memberOf(known.body.id as string);
    expect(row).toMatchObject({
      ...{ userId: elsewhere.userId, tenantId: directory.admin.tenantId, status: 'active' },
      ...{ roles: ['member'], permissions: [] },
    });
    expect(await memberOf(elsewhere.staffId)).toMatchObject({ permissions: ['API_KEYS_MANAGE'] });
  });

  it('needs a domain that this tenant has proven, and not another one', async () => {
    const { calls, admin } = directory;
    const other = await seedTestUserAndToken();
    const theirs = await seedDomain(other);
    for (const userName of [`ada@${theirs}`, 'ada@example.org', `ada@sub.${directory.domain}`]) {
      const { status, body } = await calls.post({ userName });
      expect([userName, status, body.scimType]).toEqual([userName, 400, 'invalidValue']);
      expect(body.detail).toContain('has not proven the domain');
    }
    const colleague = await seedTestUserAndToken({ tenantId: admin.tenantId });
    const member = await calls.post({ userName: colleague.email });
    expect([member.status, member.body.scimType]).toEqual([409, 'uniqueness']);
    expect((await calls.get(`${USERS}/${colleague.staffId}`)).status).toBe(404);
  });

  it.each([undefined, '', 'ada', 'a b@c.d', 7, null, ['a@b.c']])(
    'needs an e-mail address as userName: %j',
    async (userName) => {
      const { status, body } = await directory.calls.post({ userName });
      expect([status, body.scimType]).toEqual([400, 'invalidValue']);
    },
  );

  it('can be inactive from the start', async () => {
    const made = await provision(directory, { active: false });
    expect(made.active).toBe(false);
    expect(await memberOf(made.id)).toMatchObject({ status: 'disabled' });
    expect((await directory.calls.patch(made.id, ON)).body.active).toBe(true);
  });

  it('may be a member already: they are taken over as they are, with their own name and access', async () => {
    const member = await seedColleague(['TENANT_STAFF_VIEW']);
    const person = await personOf(member.userId);
    const before = await memberOf(member.staffId);
    const { calls } = directory;
    expect((await calls.find(`userName eq "${member.email}"`)).body.totalResults).toBe(0);
    const taken = await calls.post({ userName: member.email, displayName: 'Other Name' });
    expect([taken.status, taken.body.id]).toEqual([201, member.staffId]);
    expect(await personOf(member.userId)).toEqual(person);
    expect(await memberOf(member.staffId)).toEqual(before);
    const events = await auditOf('SCIM_USER_CREATED', directory.admin.tenantId);
    expect(events.at(-1)).toMatchObject({ details: { how: 'adopted' } });
  });
});

describe('a change by a directory', () => {
  it('of the userName or the address leaves the address of the person as it is', async () => {
    const member = await adopt();
    const before = await personOf(member.userId);
    const renamed = directory.newAddress();
    const { body } = await directory.calls.patch(
      member.staffId,
      { op: 'replace', path: 'userName', value: renamed },
      { op: 'replace', path: 'emails[type eq "work"].value', value: 'evil@example.org' },
      { op: 'replace', path: 'password', value: 'a new password of the directory' },
      { op: 'replace', path: 'displayName', value: 'Evil' },
    );
    expect(body).toMatchObject({ userName: renamed, displayName: 'Evil' });
    expect(await personOf(member.userId)).toEqual(before);
    const again = await directory.calls.post({ userName: member.email });
    expect([again.status, again.body.scimType]).toEqual([409, 'uniqueness']);
    const other = await provision(directory);
    const taken = await directory.calls.patch(other.id, {
      ...{ op: 'replace', path: 'userName', value: renamed.toUpperCase() },
    });
    expect([taken.status, taken.body.scimType]).toEqual([409, 'uniqueness']);
  });

  it('that changes nothing records nothing, and keeps the version', async () => {
    const made = await provision(directory, { displayName: 'Ada' });
    const count = async () => (await auditOf('SCIM_USER_CHANGED', directory.admin.tenantId)).length;
    const before = await count();
    const same = [ON, { op: 'replace', path: 'displayName', value: 'Ada' }];
    const { body } = await directory.calls.patch(made.id, ...same);
    expect(body.meta.version).toBe(made.meta.version);
    expect(await count()).toBe(before);
  });

  it('of several operations is one: if the last is refused, none happens', async () => {
    const made = await provision(directory);
    const { status } = await directory.calls.patch(made.id, OFF, {
      ...{ op: 'replace', path: 'nonsense', value: 1 },
    });
    expect(status).toBe(400);
    expect((await directory.calls.get(`${USERS}/${made.id}`)).body).toEqual(made);
  });
});

describe('access that somebody else took away', () => {
  it('is not given back by SCIM after an administrator disabled the member', async () => {
    const { calls, admin } = directory;
    const member = await adopt();
    await as(app, admin).post(`${STAFF}/${member.staffId}/disable`, {});
    const shown = await calls.get(`${USERS}/${member.staffId}`);
    expect(shown.body.active).toBe(false);
    const refusals = [
      await calls.patch(member.staffId, ON),
      await calls.put(member.staffId, { userName: member.email, active: true }),
    ];
    for (const { status, body } of refusals) {
      expect([status, body.detail]).toEqual([409, expect.stringContaining('administrator')]);
    }
    // SCIM says the same, which changes nothing.
    expect((await calls.patch(member.staffId, OFF)).status).toBe(200);
    expect((await calls.patch(member.staffId, ON)).status).toBe(409);
    expect(await memberOf(member.staffId)).toMatchObject({ status: 'disabled' });
  });

  it('is not given back if SCIM had disabled them once, and an administrator did it later', async () => {
    const { calls, admin } = directory;
    const member = await adopt();
    await calls.patch(member.staffId, OFF);
    await as(app, admin).post(`${STAFF}/${member.staffId}/enable`, {});
    await as(app, admin).post(`${STAFF}/${member.staffId}/disable`, {});
    expect((await calls.patch(member.staffId, ON)).status).toBe(409);
  });

  it('is not given back by a new POST after an administrator disabled or removed them', async () => {
    const { calls, admin } = directory;
    const [unknown, disabled, removed] = [await seedColleague(), await adopt(), await adopt()];
    await as(app, admin).post(`${STAFF}/${unknown.staffId}/disable`, {});
    await as(app, admin).post(`${STAFF}/${disabled.staffId}/disable`, {});
    await as(app, admin).del(`${STAFF}/${removed.staffId}`);
    expect((await calls.get(`${USERS}/${removed.staffId}`)).status).toBe(404);
    // The directory deletes what an administrator disabled: that must be no way to make them new.
    expect((await calls.del(disabled.staffId)).status).toBe(204);
    for (const { email, staffId } of [unknown, disabled, removed]) {
      const before = await memberOf(staffId);
      expect((await calls.post({ userName: email })).status).toBe(409);
      expect(await memberOf(staffId)).toEqual(before);
    }
  });

  it('comes back as the role member alone, if SCIM itself had deleted them', async () => {
    const { calls } = directory;
    const member = await adopt(['TENANT_STAFF_VIEW']);
    const before = await memberOf(member.staffId);
    expect((await calls.del(member.staffId)).status).toBe(204);
    const back = await calls.post({ userName: member.email });
    expect([back.status, back.body.id]).toEqual([201, member.staffId]);
    const after = await memberOf(member.staffId);
    expect(after).toMatchObject({ status: 'active', roles: ['member'], permissions: [] });
    expect(after?.sessionVersion).toBeGreaterThan(before?.sessionVersion ?? 0);
    const created = await auditOf('STAFF_CREATED', directory.admin.tenantId);
    expect(created.at(-1)).toMatchObject({ details: { rejoined: true, via: 'scim' } });
  });
});

describe('an administrator', () => {
  it('loses access like everybody, but the last one does not', async () => {
    const own = await seedDirectory(app);
    directory = own;
    const second = await adopt(ADMINISTERS);
    const lone = await adopt(['SETTINGS_SECURITY_EDIT', ...ADMINISTERS]);
    expect((await own.calls.patch(lone.staffId, OFF)).status).toBe(200);
    await db
      .update(tenantStaff)
      .set({ permissions: ['API_KEYS_MANAGE', 'SCIM_PROVISION'] })
      .where(eq(tenantStaff.id, own.admin.staffId));
    for (const res of [
      await own.calls.patch(second.staffId, OFF),
      await own.calls.put(second.staffId, { userName: second.email, active: false }),
      await own.calls.del(second.staffId),
    ]) {
      expect([res.status, res.body.detail]).toEqual([
        409,
        expect.stringContaining('administrator'),
      ]);
    }
    expect(await memberOf(second.staffId)).toMatchObject({ status: 'active' });
  });
});

it('users of another tenant and members whom the directory does not know are not there', async () => {
  const own = await seedDirectory(app);
  const theirs = await provision(await seedDirectory(app));
  const colleague = await seedTestUserAndToken({ tenantId: own.admin.tenantId });
  for (const id of [theirs.id, colleague.staffId, own.admin.tenantId, 'nonsense', '%00']) {
    const answers = [
      await own.calls.get(`${USERS}/${id}`),
      await own.calls.put(id, { userName: own.newAddress(), active: false }),
      await own.calls.patch(id, OFF),
      await own.calls.del(id),
    ];
    expect([id, answers.map(({ status }) => status)]).toEqual([id, [404, 404, 404, 404]]);
  }
  expect((await own.calls.find(`userName eq "${theirs.userName}"`)).body.totalResults).toBe(0);
  expect((await own.calls.find(`id eq "${theirs.id}"`)).body.totalResults).toBe(0);
  expect(await memberOf(theirs.id)).toMatchObject({ status: 'active' });
  expect(await memberOf(colleague.staffId)).toMatchObject({ status: 'active' });
});
