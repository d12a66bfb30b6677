import { sql } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { thisDatabase } from '@/tests/helpers/evidence/checkpoints';
import { ask, withConnection } from '@/tests/helpers/database/askDatabase';
import { expectSoundLog } from '@/tests/helpers/evidence/sealedLeaves';
import { memoryLog } from '@/tests/helpers/server/memoryLog';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

const node = buildApp();
const url = thisDatabase();
const sound = () => expectSoundLog(node.deps.keys.evidence.publicPem);

describe('the sealer and those who write', () => {
  it('share no lock: a login goes on while the sealer holds everything that it ever takes', async () => {
    const { email, password } = await seedTestUserAndToken();
    await withConnection(url, async (client) => {
      await client.query('BEGIN');
      await client.query('SELECT pg_advisory_xact_lock(7310595163817209187)');
      await client.query(
        'LOCK TABLE audit_leaves, audit_nodes, audit_trees, audit_checkpoints, audit_sealer, evidence_keys',
      );
      const res = await request(node.app).post('/api/auth/login').send({ email, password });
      expect(res.status).toBe(200);
      const { refreshToken } = res.body as { refreshToken: string };
      const refreshed = await request(node.app).post('/api/auth/refresh').send({ refreshToken });
      expect(refreshed.status).toBe(200);
      await client.query('ROLLBACK');
    });
  });

  const login = (app = node.app) =>
    seedTestUserAndToken({ permissions: ['SETTINGS_SECURITY_VIEW'] }).then(async (who) => {
      const { email, password } = who;
      return request(app).post('/api/auth/login').send({ email, password });
    });
  const exportNow = (app: typeof node.app, accessToken: string) =>
    request(app)
      .post('/api/compliance/export/bundle')
      .set('authorization', `Bearer ${accessToken}`)
      .set('x-stepup-test-bypass', '1')
      .send({ from: '2026-01-01', to: '2026-01-02', format: 'csv' });

  it('meet at an export: its own beginning is under a checkpoint when its end is recorded', async () => {
    const { body } = await login();
    expect((await exportNow(node.app, String(body.accessToken))).status).toBe(200);
    const { rows } = await db.execute<{ action: string; sealed: boolean }>(
      sql`SELECT action, EXISTS (SELECT FROM audit_leaves l WHERE l.event_id = e.id) AS sealed
          FROM audit_logs e WHERE action LIKE 'DATA_EXPORT_%' ORDER BY occurred_at`,
    );
    expect(rows).toEqual([
      { action: 'DATA_EXPORT_REQUESTED', sealed: true },
      { action: 'DATA_EXPORT_COMPLETED', sealed: false },
    ]);
  });

  it.each([
    ['the lock of the sealer', 'SELECT pg_advisory_xact_lock(7310595163817209187)', false],
    ["the sealer's row", 'SELECT FROM audit_sealer FOR UPDATE', false],
    ['what the pass before it waits for', 'LOCK TABLE audit_checkpoints', true],
  ])(
    'keep an export waiting, but not for ever: it is refused with 503 and Retry-After if somebody holds %s',
    async (_what, held, busyBefore) => {
      await node.deps.sealer.sealNow();
      const { body } = await login();
      const { deps, app } = buildApp();
      const { sealNow } = deps.sealer;
      deps.sealer.sealNow = () => sealNow(300);
      await withConnection(url, async (client) => {
        await client.query(`BEGIN; ${held}`);
        if (busyBefore) deps.sealer.start();
        const res = await exportNow(app, String(body.accessToken));
        expect([res.status, res.body.error, res.headers['retry-after']]).toEqual([
          503,
          'AUDIT_LOG_BUSY',
          '10',
        ]);
        await client.query('ROLLBACK');
      });
      const [event] = await db
        .execute(
          sql`SELECT details->>'reason' AS reason FROM audit_logs WHERE action = 'DATA_EXPORT_FAILED' ORDER BY occurred_at DESC LIMIT 1`,
        )
        .then(({ rows }) => rows);
      expect(event).toEqual({ reason: 'audit_log_busy' });
    },
  );

  it('part where the trees are gone: logins and refreshes go on, and no export leaves unsealed', async () => {
    const log = memoryLog();
    const { deps, app } = buildApp({}, { logger: log.logger });
    await db.execute(sql`ALTER TABLE audit_leaves RENAME TO audit_leaves_gone`);
    try {
      await ask(
        url,
        `INSERT INTO audit_logs (action, outcome, actor, correlation_id)
        VALUES ('AUTH_LOGOUT', 'success', 'system', 'c')`,
      );
      deps.sealer.start();
      const said = () => Promise.resolve(log.lines.map(({ msg }) => msg));
      await pollUntil('it says so', said, (lines) =>
        lines.includes('audit events cannot be sealed'),
      );
      const { status, body } = await login(app);
      expect(status).toBe(200);
      const { refreshToken } = body as { refreshToken: string };
      const refreshed = await request(app).post('/api/auth/refresh').send({ refreshToken });
      expect(refreshed.status).toBe(200);
      const res = await exportNow(app, String(refreshed.body.accessToken));
      expect([res.status, res.body.error]).toEqual([503, 'SCHEMA_UNAVAILABLE']);
    } finally {
      await db.execute(sql`ALTER TABLE audit_leaves_gone RENAME TO audit_leaves`);
    }
    // The answer 503 begins a check of the tables, which records what it finds.
    await deps.schemaGuard.checkTables();
    await deps.sealer.sealNow();
    await sound();
  });
});
