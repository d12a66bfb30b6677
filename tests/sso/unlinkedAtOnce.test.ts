import { eq } from 'drizzle-orm';
import { db } from '@/server/db';
import { userSessions } from '@/server/db/schema';
import { WAITS_FOR_LOCK, ask, withConnection } from '@/tests/helpers/database/askDatabase';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { startProvider } from '@/tests/helpers/sso/provider';
import {
  comeBack,
  complete,
  federate,
  openSsoNode,
  signInAt,
  start,
  visit,
} from '@/tests/helpers/sso/ssoBrowser';
import { pollUntil } from '@/tests/helpers/time/pollUntil';

const databaseUrl = process.env['DATABASE_URL'] ?? '';

it('an identity that is unlinked while it signs in opens no session', async () => {
  const provider = await startProvider();
  const node = openSsoNode([provider.place]);
  const own = await federate(node.app, provider.origin);
  const email = `ada@${own.domain}`;
  const member = await seedTestUserAndToken({ tenantId: own.officer.tenantId, email });
  provider.signInAs({ sub: 'ada', email, email_verified: true });
  expect((await signInAt(node.app, own.connectionId)).res.status).toBe(200);
  const sessions = () =>
    db.select().from(userSessions).where(eq(userSessions.ssoConnectionId, own.connectionId));
  const { url, cookie } = await start(node.app, own.connectionId);
  await comeBack(node.app, await visit({ url }), cookie);
  const res = await withConnection(databaseUrl, async (client) => {
    await client.query('BEGIN');
    // The link is found without this table, and the member is not.
    await client.query('LOCK TABLE users IN ACCESS EXCLUSIVE MODE');
    const answer = Promise.resolve(complete(node.app, cookie));
    await pollUntil(
      'the sign-in waits for the member',
      () => ask(databaseUrl, WAITS_FOR_LOCK),
      (rows) => rows.length === 1,
    );
    const of = [member.staffId];
    await client.query('UPDATE identity_links SET ended_at = now() WHERE staff_id = $1', of);
    const bump = 'UPDATE tenant_staff SET session_version = session_version + 1 WHERE id = $1';
    await client.query(bump, of);
    await client.query('COMMIT');
    return answer;
  });
  expect([res.status, res.body.error]).toEqual([403, 'SSO_REFUSED']);
  expect(await sessions()).toHaveLength(1);
});
