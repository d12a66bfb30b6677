import { eq } from 'drizzle-orm';
import { db } from '@/server/db';
import { riskPolicies, ssoConnections, userSessions } from '@/server/db/schema';
import { DEFAULT_POLICY } from '@/server/security/risk/riskPolicy';
import { WAITS_FOR_LOCK, ask, withConnection } from '@/tests/helpers/database/askDatabase';
import { auditOf } from '@/tests/helpers/database/authRows';
import { completeSignIn } from '@/tests/helpers/people/provenMember';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { startProvider } from '@/tests/helpers/sso/provider';
import {
  comeBack,
  complete,
  federate,
  openSsoNode,
  start,
  visit,
} from '@/tests/helpers/sso/ssoBrowser';
import type { Federated } from '@/tests/helpers/sso/ssoBrowser';
import { pollUntil } from '@/tests/helpers/time/pollUntil';

const databaseUrl = process.env['DATABASE_URL'] ?? '';
const ERASE = `UPDATE sso_connections SET deleted_at = now(), secret_sealed = NULL,
  secret_key_id = NULL WHERE id = $1`;

let provider: Awaited<ReturnType<typeof startProvider>>;
let node: ReturnType<typeof openSsoNode>;
beforeAll(async () => {
  provider = await startProvider();
  node = openSsoNode([provider.place]);
});

/** A member who has come back from the provider of their tenant. */
async function returned() {
  const own = await federate(node.app, provider.origin);
  const sub = `of-${own.domain}`;
  const email = `${sub}@${own.domain}`;
  const member = await seedTestUserAndToken({ tenantId: own.officer.tenantId, email });
  provider.signInAs({ sub, email, email_verified: true });
  const { url, cookie } = await start(node.app, own.connectionId);
  await comeBack(node.app, await visit({ url }), cookie);
  return { own, member, cookie };
}

/** Sends a request while a deletion of the connection is under way, and lets the deletion go on. */
const whileDeleted = <T>({ connectionId }: Federated, send: () => PromiseLike<T>): Promise<T> =>
  withConnection(databaseUrl, async (client) => {
    await client.query('BEGIN');
    await client.query(ERASE, [connectionId]);
    const answer = Promise.resolve(send());
    await pollUntil(
      'the request waits for the deletion',
      () => ask(databaseUrl, WAITS_FOR_LOCK),
      (rows) => rows.length === 1,
    );
    await client.query('COMMIT');
    return answer;
  });

const sessionsOf = (connectionId: string) =>
  db.select().from(userSessions).where(eq(userSessions.ssoConnectionId, connectionId));

describe('a sign-in whose connection is deleted at the same time', () => {
  it('waits for the deletion, and opens no session', async () => {
    const { own, cookie } = await returned();
    const res = await whileDeleted(own, () => complete(node.app, cookie));
    expect([res.status, res.body.error]).toEqual([403, 'SSO_REFUSED']);
    expect(await sessionsOf(own.connectionId)).toEqual([]);
    expect(await auditOf('SSO_SIGN_IN_FAILED', own.officer.tenantId)).toMatchObject([
      { details: { reason: 'connection_deleted' } },
    ]);
  });

  it('waits for the deletion, and asks for no step-up', async () => {
    const { own, cookie } = await returned();
    const { tenantId } = own.officer;
    const policy = { ...DEFAULT_POLICY, secondFactor: 'always' };
    await db.insert(riskPolicies).values({ tenantId, policy });
    const res = await whileDeleted(own, () => complete(node.app, cookie));
    expect([res.status, res.body.error]).toEqual([403, 'SSO_REFUSED']);
  });

  it('is finished by no step-up that was proven before', async () => {
    const { own, cookie } = await returned();
    const { tenantId } = own.officer;
    const policy = { ...DEFAULT_POLICY, secondFactor: 'always' };
    await db.insert(riskPolicies).values({ tenantId, policy });
    const asked = await complete(node.app, cookie);
    expect(asked.status).toBe(428);
    const { challengeId } = asked.body as { challengeId: string };
    await ask(
      databaseUrl,
      'UPDATE step_up_challenges SET verified_at = now() WHERE tenant_id = $1',
      [tenantId],
    );
    const res = await whileDeleted(own, () => completeSignIn(node.app, challengeId));
    expect([res.status, res.body.error]).toEqual([401, 'INVALID_CREDENTIALS']);
    expect(await sessionsOf(own.connectionId)).toEqual([]);
    const [row] = await db
      .select()
      .from(ssoConnections)
      .where(eq(ssoConnections.id, own.connectionId));
    expect(row?.deletedAt).not.toBeNull();
  });
});
