import { randomUUID } from 'node:crypto';
import type { Express } from 'express';
import { auditOf, liveSessionsOf, liveTokensOf } from '@/tests/helpers/database/authRows';
import { me, refresh } from '@/tests/helpers/http/authCalls';
import { callsOf, seedDirectory } from '@/tests/helpers/people/directory';
import type { Directory } from '@/tests/helpers/people/directory';
import { as } from '@/tests/helpers/people/officer';
import { makeApiKey, withKey } from '@/tests/helpers/people/programs';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { openNode } from '@/tests/helpers/server/openNode';

const one = openNode();
const two = openNode();
let directory: Directory;
beforeAll(async () => {
  directory = await seedDirectory(one.app);
});

/** Seeds a member with a session, whom the directory takes over. */
async function seedLeaver(permissions: string[] = []) {
  const { tenantId } = directory.admin;
  const leaver = await seedTestUserAndToken({
    ...{ tenantId, permissions, email: directory.newAddress() },
  });
  const taken = await directory.calls.post({ userName: leaver.email });
  expect(taken.status).toBe(201);
  return leaver;
}

type Leaver = Awaited<ReturnType<typeof seedLeaver>>;

/** The ways in which a directory says that somebody has left. */
const WAYS: Record<string, (calls: Directory['calls'], leaver: Leaver) => PromiseLike<unknown>> = {
  'a PATCH of Okta': (calls, { staffId }) =>
    calls.patch(staffId, { op: 'replace', value: { active: false } }).expect(200),
  'a PATCH of Entra': (calls, { staffId }) =>
    calls.patch(staffId, { op: 'Replace', path: 'active', value: 'False' }).expect(200),
  'a PUT': (calls, { staffId, email }) =>
    calls.put(staffId, { userName: email, active: false }).expect(200),
  'a DELETE': (calls, { staffId }) => calls.del(staffId).expect(204),
};

describe.each(Object.entries(WAYS))('a leaver by %s', (_way, leave) => {
  it('is refused with the very next request on both nodes, and cannot refresh', async () => {
    const leaver = await seedLeaver();
    for (const { app } of [one, two]) expect((await me(app, leaver.token)).status).toBe(200);
    await leave(directory.calls, leaver);
    const answers = [await me(one.app, leaver.token), await me(two.app, leaver.token)];
    expect(answers.map(({ status }) => status)).toEqual([401, 401]);
    expect((await refresh(two.app, leaver.refreshToken)).status).toBe(401);
    expect(await liveSessionsOf(leaver.staffId)).toEqual([]);
    expect(await liveTokensOf(leaver.staffId)).toEqual([]);
    const ended = await auditOf('STAFF_DISABLED', leaver.tenantId);
    expect(ended.at(-1)).toMatchObject({
      subject: `staff:${leaver.staffId}`,
      details: { via: 'scim', secondsToEffect: expect.any(Number) },
    });
  });

  it('loses the API keys and the invitations that they made', async () => {
    const held = ['API_KEYS_MANAGE', 'TENANT_STAFF_VIEW', 'TENANT_STAFF_MANAGE'];
    const leaver = await seedLeaver(held);
    const { key } = await makeApiKey(one.app, leaver);
    const sent = await as(one.app, leaver).post('/api/tenants/invitations', {
      ...{ email: `${randomUUID()}@example.com`, roles: ['member'], delivery: 'link' },
    });
    expect(sent.status).toBe(201);
    expect((await withKey(two.app, key).get('/api/tenants/staff')).status).toBe(200);
    await leave(directory.calls, leaver);
    expect((await withKey(two.app, key).get('/api/tenants/staff')).status).toBe(401);
    const revoked = await auditOf('INVITATION_REVOKED', leaver.tenantId);
    expect(revoked.at(-1)?.details).toMatchObject({ reason: 'inviter_left', via: 'scim' });
  });

  it('who refreshes on another node at the same time is left without a session', async () => {
    for (let round = 0; round < 5; round += 1) {
      const leaver = await seedLeaver();
      await Promise.all([
        leave(directory.calls, leaver),
        ...Array.from({ length: 4 }, (_, index) =>
          refresh(index % 2 ? one.app : two.app, leaver.refreshToken),
        ),
      ]);
      expect(await liveSessionsOf(leaver.staffId)).toEqual([]);
      expect(await liveTokensOf(leaver.staffId)).toEqual([]);
      expect((await me(two.app, leaver.token)).status).toBe(401);
    }
  });
});

it('a member whom the directory takes over as inactive is refused at once, and what is known of them is forgotten', async () => {
  const { tenantId } = directory.admin;
  const leaver = await seedTestUserAndToken({ tenantId, email: directory.newAddress() });
  const known = () => one.deps.riskFacts.read(tenantId, leaver.staffId);
  const before = await known();
  await directory.calls.post({ userName: leaver.email, active: false }).expect(201);
  expect(await known()).not.toBe(before);
  for (const { app } of [one, two]) expect((await me(app, leaver.token)).status).toBe(401);
  expect(await liveSessionsOf(leaver.staffId)).toEqual([]);
});

describe('at the same time', () => {
  const changesOf = (tenantId: string) => auditOf('SCIM_USER_CHANGED', tenantId);
  const keyed = (app: Express, key: string) => callsOf(app, key);

  it('fifty PATCHes of one user by two nodes all happen, one after the other', async () => {
    const own = await seedDirectory(one.app);
    const { key } = await makeApiKey(one.app, own.admin, { permissions: ['SCIM_PROVISION'] });
    const made = await own.calls.post({ userName: own.newAddress() });
    const { id } = made.body as { id: string };
    const fields = ['displayName', 'externalId', 'name.givenName', 'name.familyName'];
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        keyed(index % 2 ? one.app : two.app, key).patch(id, {
          ...{ op: 'replace', path: fields[index % 4], value: `value ${index}` },
        }),
      ),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    const now = await own.calls.get(`/scim/v2/Users/${id}`);
    expect(now.headers['etag']).toBe('W/"51a"');
    expect(await changesOf(own.admin.tenantId)).toHaveLength(50);
    const { displayName, externalId, name } = now.body as Record<string, unknown>;
    for (const text of [displayName, externalId, ...Object.values(name as object)]) {
      expect(text).toMatch(/^value \d+$/);
    }
  });

  it('fifty PATCHes for one version change it once, and the others are refused with 412', async () => {
    const own = await seedDirectory(one.app);
    const made = await own.calls.post({ userName: own.newAddress() });
    const { id } = made.body as { id: string };
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        own.calls
          .patch(id, { op: 'replace', path: 'displayName', value: `value ${index}` })
          .set('if-match', made.headers['etag'] as string),
      ),
    );
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([200, ...Array.from({ length: 49 }, () => 412)]);
  });

  it('twenty POSTs of one person by two nodes make one member', async () => {
    const own = await seedDirectory(one.app);
    const { key } = await makeApiKey(one.app, own.admin, { permissions: ['SCIM_PROVISION'] });
    const userName = own.newAddress();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        keyed(index % 2 ? one.app : two.app, key).post({ userName }),
      ),
    );
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([201, ...Array.from({ length: 19 }, () => 409)]);
    expect(await auditOf('STAFF_CREATED', own.admin.tenantId)).toHaveLength(1);
  });
});
