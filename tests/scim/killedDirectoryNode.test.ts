import { eq } from 'drizzle-orm';
import { db } from '@/server/db';
import { scimUsers, tenantStaff } from '@/server/db/schema';
import { ask, WAITS_FOR_LOCK, withConnection } from '@/tests/helpers/database/askDatabase';
import { auditOf } from '@/tests/helpers/database/authRows';
import { USERS, provision, seedDirectory } from '@/tests/helpers/people/directory';
import { makeApiKey } from '@/tests/helpers/people/programs';
import { spawnNode } from '@/tests/helpers/server/nodeProcess';
import { buildApp } from '@/tests/helpers/server/testApp';
import { pollUntil } from '@/tests/helpers/time/pollUntil';

const { app } = buildApp();
const databaseUrl = process.env['DATABASE_URL'] ?? '';

it('a node that is killed in the middle of a DELETE leaves the member as they were, and a repeat deletes them', async () => {
  const directory = await seedDirectory(app);
  const { admin, calls } = directory;
  const { key } = await makeApiKey(app, admin, { permissions: ['SCIM_PROVISION'] });
  const user = await provision(directory);
  const stateOf = async () => [
    await db.select().from(tenantStaff).where(eq(tenantStaff.id, user.id)),
    await db.select().from(scimUsers).where(eq(scimUsers.staffId, user.id)),
    await auditOf('STAFF_REMOVED', admin.tenantId),
    await auditOf('SCIM_USER_DELETED', admin.tenantId),
  ];
  const before = await stateOf();
  const node = await spawnNode({});
  await withConnection(databaseUrl, async (holder) => {
    // The DELETE has ended the membership, and waits here before it notes that SCIM did it.
    await holder.query('BEGIN');
    await holder.query('SELECT 1 FROM scim_users WHERE staff_id = $1 FOR UPDATE', [user.id]);
    const cut = fetch(`${node.url}${USERS}/${user.id}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${key}` },
    }).then(
      () => 'answered',
      () => 'cut',
    );
    const waiting = () => ask(databaseUrl, WAITS_FOR_LOCK);
    await pollUntil('the DELETE waits', waiting, (found) => found.length > 0);
    await node.kill();
    expect(await cut).toBe('cut');
  });
  await calls.get(`${USERS}/${user.id}`).expect(200);
  expect(await stateOf()).toEqual(before);
  await calls.del(user.id).expect(204);
  expect(await auditOf('SCIM_USER_DELETED', admin.tenantId)).toHaveLength(1);
});
