import { Writable } from 'node:stream';
import { sql } from 'drizzle-orm';
import { pino } from 'pino';
import {
  REQUIRED_TABLES,
  createSchemaGuard,
  schemaHealthCheck,
} from '@/server/bootstrap/schemaHealth';
import { connect, db } from '@/server/db';
import type { Db } from '@/server/db';
import { createMetrics } from '@/server/metrics';
import { login } from '../helpers/authCalls';
import { auditOf, withoutTable } from '../helpers/authRows';
import { closeLater } from '../helpers/closing';
import { seedTestUserAndToken } from '../helpers/seedAuth';
import { buildApp } from '../helpers/testApp';

interface Line {
  level: number;
  msg: string;
  code?: string;
  missing?: string[];
}

/** A logger that keeps what it is told. */
function memoryLog() {
  const lines: Line[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString()) as Line);
      done();
    },
  });
  return { lines, logger: pino({ level: 'info' }, stream) };
}

function openGuard(database: Db = db) {
  const { lines, logger } = memoryLog();
  const metrics = createMetrics();
  const guard = createSchemaGuard({ db: database, logger, metrics, intervalSec: 3600 });
  const gauge = async () => (await metrics.schemaMissingTables.get()).values[0]?.value;
  return { guard, lines, gauge };
}

/** A handle on a database that does not answer. */
function unreachable(): Db {
  const { db: nowhere, close } = connect({
    url: 'postgres://u:p@127.0.0.1:1/x',
    poolSize: 1,
    statementTimeoutMs: 1000,
  });
  closeLater(close);
  return nowhere;
}

describe('schemaHealthCheck', () => {
  it('finds nothing missing in a migrated database', async () => {
    expect(await schemaHealthCheck()).toStrictEqual({ ok: true, missing: [] });
  });

  it('requires every table there is, the four of the founding incident among them', async () => {
    const { rows } = await db.execute<{ name: string }>(
      sql`SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1`,
    );
    expect(rows.map(({ name }) => name)).toStrictEqual([...REQUIRED_TABLES]);
    expect(REQUIRED_TABLES).toEqual(
      expect.arrayContaining([
        'user_sessions',
        'refresh_tokens',
        'audit_logs',
        'step_up_challenges',
      ]),
    );
  });

  it.each(REQUIRED_TABLES)('names %s where it is missing, and nothing else', async (table) => {
    const health = await withoutTable(table, () => schemaHealthCheck());
    expect(health).toStrictEqual({ ok: false, missing: [table] });
    expect(await schemaHealthCheck()).toStrictEqual({ ok: true, missing: [] });
  });

  it('names several at once, in order', async () => {
    const health = await withoutTable('users', () =>
      withoutTable('known_devices', () => schemaHealthCheck()),
    );
    expect(health).toStrictEqual({ ok: false, missing: ['known_devices', 'users'] });
  });

  it('does not take a table of the same name in another schema for it', async () => {
    await db.execute(sql`CREATE SCHEMA other`);
    await db.execute(sql`CREATE TABLE other.known_countries (id int)`);
    const health = await withoutTable('known_countries', () => schemaHealthCheck());
    expect(health.missing).toStrictEqual(['known_countries']);
  });

  it('throws where it could not look: that is not the same as nothing missing', async () => {
    await expect(schemaHealthCheck(unreachable())).rejects.toThrow();
  });
});

describe('the guard', () => {
  it('says once and loudly that a table is missing, audits it, meters it, and says when it is back', async () => {
    const { guard, lines, gauge } = openGuard();
    await guard.check();
    expect(lines).toStrictEqual([]);
    await withoutTable('known_devices', async () => {
      expect(guard.scoringEnabled()).toBe(true);
      expect(await guard.check()).toStrictEqual({ ok: false, missing: ['known_devices'] });
      await guard.check();
      expect(guard.scoringEnabled()).toBe(false);
      expect(guard.missing()).toStrictEqual(['known_devices']);
      expect(await gauge()).toBe(1);
    });
    expect(lines).toStrictEqual([
      expect.objectContaining({
        level: 50,
        msg: 'SCHEMA_MISSING_TABLES',
        code: 'SCHEMA_MISSING_TABLES',
        missing: ['known_devices'],
      }),
    ]);
    await guard.check();
    await guard.check();
    expect(guard.scoringEnabled()).toBe(true);
    expect(await gauge()).toBe(0);
    expect(lines.slice(1)).toStrictEqual([expect.objectContaining({ msg: 'SCHEMA_RESTORED' })]);
    const shape = { tenantId: null, actor: 'system', details: { missing: ['known_devices'] } };
    expect(await auditOf('SCHEMA_HEALTH_FAILED')).toStrictEqual([
      expect.objectContaining({ ...shape, outcome: 'failure' }),
    ]);
    expect(await auditOf('SCHEMA_HEALTH_RESTORED')).toStrictEqual([
      expect.objectContaining({ ...shape, outcome: 'success' }),
    ]);
  });

  it('only logs while audit_logs itself is missing, and audits as soon as it can', async () => {
    const { guard, lines } = openGuard();
    const failedBefore = (await auditOf('SCHEMA_HEALTH_FAILED')).length;
    await withoutTable('known_countries', async () => {
      await withoutTable('audit_logs', () => guard.check());
      expect(lines.map(({ missing }) => missing)).toStrictEqual([
        ['audit_logs', 'known_countries'],
      ]);
      await guard.check();
    });
    const failed = await auditOf('SCHEMA_HEALTH_FAILED');
    expect(failed.slice(failedBefore).map(({ details }) => details)).toStrictEqual([
      { missing: ['known_countries'] },
    ]);
  });

  it('keeps what it last knew where it cannot look, and says that it could not', async () => {
    const { guard, lines } = openGuard(unreachable());
    await guard.start();
    guard.stop();
    expect(lines).toStrictEqual([
      expect.objectContaining({ level: 40, msg: 'the schema could not be checked' }),
    ]);
    await expect(guard.check()).rejects.toThrow();
  });

  it('looks again at every interval by itself', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'setTimeout'] });
    try {
      const { guard, lines } = openGuard();
      await guard.start();
      await withoutTable('known_devices', async () => {
        jest.advanceTimersByTime(3_599_000);
        expect(guard.missing()).toStrictEqual([]);
        jest.advanceTimersByTime(1000);
        const deadline = Date.now() + 5000;
        while (guard.missing().length === 0 && Date.now() < deadline) {
          await new Promise((resolve) => setImmediate(resolve));
        }
        expect(guard.missing()).toStrictEqual(['known_devices']);
      });
      guard.stop();
      expect(lines[0]?.msg).toBe('SCHEMA_MISSING_TABLES');
    } finally {
      jest.useRealTimers();
    }
  });
});

describe('scoring while a table is missing', () => {
  it('is off: logins go on, say so in the audit log, and scoring comes back with the table', async () => {
    const who = await seedTestUserAndToken();
    const { app, deps } = buildApp();
    const skipped = async () =>
      (await auditOf('ANOMALY_CHECK_SKIPPED', who.tenantId)).map(({ details }) => details);
    await withoutTable('known_countries', async () => {
      await deps.schemaGuard.check();
      const res = await login(app, who);
      expect(res.status).toBe(200);
      expect(await skipped()).toStrictEqual([{ at: 'login', cause: 'schema_missing_tables' }]);
    });
    await deps.schemaGuard.check();
    expect((await login(app, who)).status).toBe(200);
    expect(await skipped()).toHaveLength(1);
    const logins = await auditOf('AUTH_LOGIN_SUCCEEDED', who.tenantId);
    expect(logins.map(({ details }) => details['reasons'])).toStrictEqual([
      ['ANOMALY_CHECK_SKIPPED'],
      expect.not.arrayContaining(['ANOMALY_CHECK_SKIPPED']),
    ]);
  });
});
