import { Client } from 'pg';
import { db } from '@/server/db';
import { passkeys, recoveryCodes, tenantStaff, users } from '@/server/db/schema';
import { eq } from 'drizzle-orm';
import { giveRoles, makeRole, seedAdministrator } from '@/tests/helpers/people/administrator';
import { as } from '@/tests/helpers/people/officer';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { giveFactor } from '@/tests/helpers/stepUp/secondFactor';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app } = buildApp();

interface Page {
  staff: { staffId: string; email: string; [field: string]: unknown }[];
  nextCursor: string | null;
}

const PATH = '/api/tenants/staff';

async function read(admin: SeededAuth, query: Record<string, string> = {}): Promise<Page> {
  const res = await as(app, admin).get(`${PATH}?${new URLSearchParams(query).toString()}`);
  expect(res.status).toBe(200);
  return res.body as Page;
}

async function readAll(admin: SeededAuth, query: Record<string, string>): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | null = null;
  do {
    const page: Page = await read(admin, { ...query, ...(cursor === null ? {} : { cursor }) });
    ids.push(...page.staff.map(({ staffId }) => staffId));
    cursor = page.nextCursor;
  } while (cursor !== null);
  return ids;
}

const join = (admin: SeededAuth, more: Parameters<typeof seedTestUserAndToken>[0] = {}) =>
  seedTestUserAndToken({ tenantId: admin.tenantId, ...more });

/**
 * The frame of a transaction, the mailer, which a new role wakes, and the look for changes of IP
 * rules, once a second.
 */
const NOT_COUNTED = /^(?:begin|commit)\b|"mails"|FROM change_versions/i;
const textOf = (query: unknown): string =>
  typeof query === 'string' ? query : ((query as { text?: string }).text ?? '');

let sent = 0;
const realQuery = Client.prototype.query as (...args: unknown[]) => unknown;

// Before anything connects: a connection keeps the function that it began with.
beforeAll(() => {
  Client.prototype.query = function (this: Client, ...args: unknown[]) {
    if (!NOT_COUNTED.test(textOf(args[0]))) sent += 1;
    return realQuery.apply(this, args);
  } as typeof Client.prototype.query;
});

afterAll(() => {
  Client.prototype.query = realQuery as typeof Client.prototype.query;
});

/** Counts the statements that any connection sends while `work` runs. */
async function countStatements(work: () => Promise<unknown>): Promise<number> {
  const before = sent;
  await work();
  return sent - before;
}

describe('the list of members', () => {
  it('shows status, roles, permissions, factors, sessions and locks, and no secret', async () => {
    const admin = await seedAdministrator();
    const member = await join(admin, { permissions: ['SETTINGS_SECURITY_VIEW'] });
    const roleId = await makeRole(app, admin, 'Support', ['TENANT_STAFF_VIEW']);
    await giveRoles(member, roleId, 'member');
    await giveFactor(member);
    const { tenantId, userId, staffId, email } = member;
    const own = { tenantId, userId, staffId };
    await db.insert(recoveryCodes).values([
      { ...own, codeHash: 'left' },
      { ...own, codeHash: 'used', usedAt: new Date() },
    ]);
    const key = { name: 'Key', publicKey: Buffer.from([0]), transports: [], backedUp: false };
    await db.insert(passkeys).values({ ...own, ...key, credentialId: staffId });
    await db.update(users).set({ name: 'Ann Lee' }).where(eq(users.id, userId));

    const { staff } = await read(admin);
    expect(staff).toHaveLength(2);
    expect(staff[0]).toStrictEqual({
      staffId,
      email,
      name: 'Ann Lee',
      status: 'active',
      roles: expect.arrayContaining([
        { id: 'member', name: 'Member' },
        { id: roleId, name: 'Support' },
      ]),
      permissions: ['SETTINGS_SECURITY_VIEW', 'TENANT_STAFF_VIEW'],
      createdAt: expect.stringMatching(/^\d{4}-.*Z$/),
      disabledAt: null,
      endsAt: null,
      removedAt: null,
      sessions: 1,
      lastSeenAt: expect.stringMatching(/^\d{4}-.*Z$/),
      factors: { totp: 1, passkeys: 1, recoveryCodes: 1 },
      locked: [],
    });
    const shown = await as(app, admin).get(`${PATH}/${staffId}`);
    expect(shown.body).toStrictEqual(staff[0]);
  });

  it('names each member once over pages of any size, newest first', async () => {
    const admin = await seedAdministrator();
    const members: string[] = [admin.staffId];
    for (let n = 0; n < 6; n += 1) members.unshift((await join(admin)).staffId);
    for (const limit of ['1', '3', '7', '200']) {
      expect(await readAll(admin, { limit })).toEqual(members);
    }
    for (const limit of ['0', '201', 'x', '']) {
      expect((await as(app, admin).get(`${PATH}?limit=${limit}`)).status).toBe(400);
    }
  });

  it('refuses a cursor that it did not return, and a filter that does not exist', async () => {
    const admin = await seedAdministrator();
    for (const query of ['cursor=x', 'cursor=JyI7', 'stauts=active', 'status=gone']) {
      const res = await as(app, admin).get(`${PATH}?${query}`);
      expect([query, res.status, res.body.error]).toEqual([query, 400, 'INVALID_INPUT']);
    }
  });

  it('finds a part of an address or a name, whatever its case, and takes wildcards literally', async () => {
    const admin = await seedAdministrator();
    const unique = admin.staffId.slice(-8);
    const ann = await join(admin, { email: `ann.x_y-${unique}@example.com` });
    const bob = await join(admin, { email: `bob.xzy-${unique}@example.com` });
    await db.update(users).set({ name: '100% Bob\\' }).where(eq(users.id, bob.userId));
    const found = async (search: string) => (await readAll(admin, { search })).sort();
    expect(await found(`ANN.X_Y-${unique}`)).toEqual([ann.staffId]);
    expect(await found('x_y')).toEqual([ann.staffId]);
    expect(await found('0% b')).toEqual([bob.staffId]);
    expect(await found('b\\')).toEqual([bob.staffId]);
    expect(await found('%')).toEqual([bob.staffId]);
    expect(await found(unique)).toEqual([ann.staffId, bob.staffId].sort());
  });

  it('filters by status, role and permission, and shows former members only if asked', async () => {
    const admin = await seedAdministrator();
    const auditor = await join(admin);
    await giveRoles(auditor, 'auditor');
    const disabled = await join(admin, { permissions: ['SETTINGS_SECURITY_EDIT'] });
    const former = await join(admin);
    await as(app, admin).post(`${PATH}/${disabled.staffId}/disable`, {});
    await as(app, admin).del(`${PATH}/${former.staffId}`);
    const ids = (...people: SeededAuth[]) => people.map(({ staffId }) => staffId);
    expect(await readAll(admin, {})).toEqual(ids(disabled, auditor, admin));
    expect(await readAll(admin, { status: 'active' })).toEqual(ids(auditor, admin));
    expect(await readAll(admin, { status: 'disabled' })).toEqual(ids(disabled));
    expect(await readAll(admin, { status: 'removed' })).toEqual(ids(former));
    expect(await readAll(admin, { role: 'auditor' })).toEqual(ids(auditor));
    expect(await readAll(admin, { permission: 'SETTINGS_SECURITY_EDIT' })).toEqual(
      ids(disabled, admin),
    );
    expect(await readAll(admin, { role: 'auditor', status: 'disabled' })).toEqual([]);
  });

  it('takes as many statements for two hundred members as for one', async () => {
    const admin = await seedAdministrator();
    const roleId = await makeRole(app, admin, 'Support', []);
    await giveRoles(admin, roleId, 'owner');
    const one = await countStatements(() => read(admin, { limit: '1' }));
    const rows = Array.from({ length: 199 }, (_, n) => ({
      email: `n${n}-${admin.staffId}@example.com`,
      passwordHash: '',
    }));
    const { tenantId } = admin;
    const people = await db.insert(users).values(rows).returning({ userId: users.id });
    await db
      .insert(tenantStaff)
      .values(people.map(({ userId }) => ({ tenantId, userId, roles: [roleId, 'owner'] })));
    let page: Page | undefined;
    const many = await countStatements(async () => {
      page = await read(admin, { limit: '200' });
    });
    expect(page?.staff).toHaveLength(200);
    expect(one).toBeGreaterThan(2);
    expect(many).toBe(one);
  });
});

describe('the sessions of a member', () => {
  it('are listed in pages, newest first, and end one by one', async () => {
    const admin = await seedAdministrator();
    const member = await join(admin);
    const path = `${PATH}/${member.staffId}/sessions`;
    const listed = await as(app, admin).get(path);
    expect(listed.body).toMatchObject({ sessions: [{ id: member.sessionId }], nextCursor: null });
    expect((await as(app, admin).del(`${path}/${member.sessionId}`)).status).toBe(204);
    expect((await as(app, admin).get(path)).body.sessions).toEqual([]);
    expect((await as(app, admin).del(`${path}/${member.sessionId}`)).status).toBe(404);
    expect((await as(app, admin).del(`${path}/${admin.sessionId}`)).status).toBe(404);
    expect((await as(app, member).get('/api/auth/me')).body).toMatchObject({
      error: 'FORCE_LOGOUT',
    });
  });
});
