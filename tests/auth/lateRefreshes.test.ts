import { sql } from 'drizzle-orm';
import { app } from '@/server/app';
import { db } from '@/server/db';
import { refresh, refreshWithKey } from '@/tests/helpers/http/authCalls';
import { expectSignedIn } from '@/tests/helpers/http/authOutcomes';
import { auditOf, liveTokensOf, versionOf } from '@/tests/helpers/database/authRows';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { externalEnv, killServers, startServer } from '@/tests/helpers/server/serverProcess';
import { startTcpProxy } from '@/tests/helpers/http/tcpProxy';

const KEY = 'key-of-a-late-refresh-77aa';
afterEach(killServers);

const send = async (url: string, refreshToken: string) => {
  const res = await fetch(new URL('/api/auth/refresh', url), {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': KEY },
    body: JSON.stringify({ refreshToken }),
  });
  return { status: res.status, body: (await res.json()) as Record<string, unknown> };
};

async function expectUnharmed({ staffId, tenantId }: SeededAuth): Promise<void> {
  expect(await versionOf(staffId)).toBe(1);
  expect(await liveTokensOf(staffId)).toHaveLength(1);
  expect(await auditOf('REFRESH_REUSE_DETECTED', tenantId)).toStrictEqual([]);
}

describe('a request that a node answers late', () => {
  it('because it was stopped ends no session, although its retry was answered elsewhere and used', async () => {
    const seeded = await seedTestUserAndToken();
    const node = startServer({ ...externalEnv(), SCHEMA_GUARD: 'warn', MIGRATE_ON_BOOT: 'false' });
    const url = await node.url();
    node.signal('SIGSTOP');
    const late = send(url, seeded.refreshToken);
    const retry = (await refreshWithKey(app, seeded.refreshToken, KEY)).body;
    const next = (await refresh(app, retry.refreshToken)).body;
    node.signal('SIGCONT');
    expect(await late).toStrictEqual({ status: 401, body: { error: 'INVALID_REFRESH_TOKEN' } });
    await expectUnharmed(seeded);
    await expectSignedIn(app, next);
  });

  it('after a database that was gone for longer than a minute gets its successor', async () => {
    const proxy = await startTcpProxy(process.env['DATABASE_URL'] ?? '');
    const seeded = await seedTestUserAndToken();
    const node = startServer({
      ...externalEnv(proxy.url),
      SCHEMA_GUARD: 'warn',
      MIGRATE_ON_BOOT: 'false',
    });
    const url = await node.url();
    // The rotation is committed, and the database disappears before the client has its answer.
    const lost = await send(url, seeded.refreshToken);
    proxy.set('refuse');
    expect((await send(url, seeded.refreshToken)).status).toBe(503);
    await db.execute(
      sql`UPDATE refresh_tokens SET revoked_at = revoked_at - interval '500 seconds' WHERE id = ${seeded.refreshTokenId}`,
    );
    proxy.set('forward');
    let again = await send(url, seeded.refreshToken);
    for (let tries = 0; again.status === 503 && tries < 50; tries += 1) {
      again = await send(url, seeded.refreshToken);
    }
    expect(again.status).toBe(200);
    expect(again.body['refreshToken']).toBe(lost.body['refreshToken']);
    await expectUnharmed(seeded);
    // After the window it is refused, but still not treated as a theft.
    await db.execute(
      sql`UPDATE refresh_tokens SET revoked_at = revoked_at - interval '200 seconds' WHERE id = ${seeded.refreshTokenId}`,
    );
    expect((await send(url, seeded.refreshToken)).body).toStrictEqual({
      error: 'INVALID_REFRESH_TOKEN',
    });
    await expectUnharmed(seeded);
    await killServers();
    await proxy.close();
  });
});
