import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { login, logout, me, refresh } from '@/tests/helpers/http/authCalls';
import { auditOf, sessionsOf, tokensOf, withoutTable } from '@/tests/helpers/database/authRows';
import { openNode } from '@/tests/helpers/server/openNode';
import type { Node } from '@/tests/helpers/server/openNode';

/** A node that has not noticed yet that a table is missing, as when it disappears at run time. */
let node: Node;
beforeEach(() => {
  node = openNode();
});

describe('what the outage of another table costs', () => {
  const expectMissing = (res: {
    status: number;
    body: unknown;
    headers: Record<string, string>;
  }) => {
    expect(res.status).toBe(503);
    expect(res.body).toMatchObject({ error: 'SCHEMA_UNAVAILABLE', status: 503 });
    expect(Number(res.headers['retry-after'])).toBeGreaterThan(0);
    expect(JSON.stringify(res.body)).not.toMatch(/relation "|refresh_tokens|audit_logs|SELECT/);
  };

  it.each(['refresh_tokens', 'audit_logs'])(
    'without %s no token is issued: login and refresh are 503, and nothing is lost afterwards',
    async (table) => {
      const seeded = await seedTestUserAndToken();
      await withoutTable(table, async () => {
        expectMissing(await login(node.app, seeded));
        expectMissing(await refresh(node.app, seeded.refreshToken));
        await node.deps.schemaGuard.check();
        expectMissing(await login(node.app, seeded));
        expectMissing(await refresh(node.app, seeded.refreshToken));
        expect((await me(node.app, seeded.accessToken)).status).toBe(200);
      });
      expect(await sessionsOf(seeded.staffId)).toHaveLength(1);
      expect(await tokensOf(seeded.staffId)).toMatchObject([{ revokedAt: null }]);
      expect(await auditOf('AUTH_LOGIN_SUCCEEDED', seeded.tenantId)).toHaveLength(0);
      await node.deps.schemaGuard.check();
      const refreshed = await refresh(node.app, seeded.refreshToken);
      expect(refreshed.status).toBe(200);
      expect(refreshed.body.degraded).toBeUndefined();
      expect((await login(node.app, seeded)).status).toBe(200);
    },
  );

  it('without audit_logs a logout is 503 too, and has not happened', async () => {
    const seeded = await seedTestUserAndToken();
    await withoutTable('audit_logs', async () =>
      expectMissing(await logout(node.app, seeded.accessToken)),
    );
    expect((await me(node.app, seeded.accessToken)).status).toBe(200);
    expect((await refresh(node.app, seeded.refreshToken)).status).toBe(200);
  });

  it.each(['known_devices', 'known_countries'])(
    'without %s, which the scorer reads, login and refresh go on',
    async (table) => {
      const seeded = await seedTestUserAndToken();
      await withoutTable(table, async () => {
        const res = await login(node.app, seeded);
        expect(res.status).toBe(200);
        expect((await refresh(node.app, res.body.refreshToken)).status).toBe(200);
      });
      const causes = (await auditOf('ANOMALY_CHECK_SKIPPED', seeded.tenantId)).map(
        ({ details }) => details,
      );
      expect(causes).toStrictEqual([
        { at: 'login', cause: 'error' },
        { at: 'refresh', cause: 'error' },
      ]);
    },
  );
});
