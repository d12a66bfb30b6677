import { sql } from 'drizzle-orm';
import { inspectSchema } from '@/server/schema/guard/inspectSchema';
import { createSchemaGuard } from '@/server/schema/guard/schemaGuard';
import { connect, db } from '@/server/db';
import type { Db } from '@/server/db';
import { createMetrics } from '@/server/metrics';
import { WAITS_FOR_LOCK, ask, withConnection } from '../../helpers/database/askDatabase';
import { auditOf, withoutTable } from '../../helpers/database/authRows';
import { closeLater } from '../../helpers/server/closing';
import { memoryLog } from '../../helpers/server/memoryLog';
import {
  MIGRATIONS,
  readMigrations,
  writeMigrations,
} from '../../helpers/database/migrationsFolder';
import { pollUntil } from '../../helpers/time/pollUntil';
import { servingRole } from '@/tests/helpers/database/testDatabase';
import { buildApp } from '../../helpers/server/testApp';

interface GuardOptions {
  database?: Db;
  databaseUrl?: string;
  migrationsDir?: string;
}

/** Opens one node's guard on this file's database. */
function openGuard(options: GuardOptions = {}) {
  const { database = db, migrationsDir = MIGRATIONS } = options;
  const databaseUrl = options.databaseUrl ?? process.env['DATABASE_URL'] ?? '';
  const { lines, logger } = memoryLog();
  const metrics = createMetrics();
  const inspect = () => inspectSchema({ databaseUrl, migrationsDir, knownRoles: [servingRole()] });
  const guard = createSchemaGuard({ db: database, logger, metrics, intervalSec: 3600, inspect });
  const gauge = async (name: string) => {
    const exposed = await metrics.registry.metrics();
    const value = new RegExp(`^${name.replaceAll(/[{}]/g, '\\$&')} (\\S+)$`, 'm').exec(exposed);
    return Number(value?.[1]);
  };
  return { guard, lines, gauge, codes: () => lines.map(({ code }) => code) };
}

const NOWHERE = 'postgres://u:p@127.0.0.1:1/x';

/** Returns a handle on a database that does not answer. */
function unreachable(): Db {
  const options = { url: NOWHERE, poolSize: 1, statementTimeoutMs: 1000 };
  const { db: nowhere, close } = connect(options);
  closeLater(close);
  return nowhere;
}

async function withChange<T>(change: string, back: string, work: () => Promise<T>): Promise<T> {
  await db.execute(sql.raw(change));
  try {
    return await work();
  } finally {
    await db.execute(sql.raw(back));
  }
}

const withoutIndex = <T>(work: () => Promise<T>) =>
  withChange(
    'DROP INDEX idx_refresh_tokens_session',
    'CREATE INDEX idx_refresh_tokens_session ON refresh_tokens (session_id)',
    work,
  );

const INDEX_MISSING = 'index public.refresh_tokens.idx_refresh_tokens_session is missing';

/** Returns how many events of a failure and of a recovery there are since the start of the test. */
async function eventsSince() {
  const count = async (action: 'SCHEMA_HEALTH_FAILED' | 'SCHEMA_HEALTH_RESTORED') =>
    (await auditOf(action)).length;
  const before = [
    await count('SCHEMA_HEALTH_FAILED'),
    await count('SCHEMA_HEALTH_RESTORED'),
  ] as const;
  return async () => ({
    failed: (await auditOf('SCHEMA_HEALTH_FAILED')).slice(before[0]),
    restored: (await auditOf('SCHEMA_HEALTH_RESTORED')).slice(before[1]),
  });
}

describe('the guard', () => {
  it('finds nothing in a database just migrated, and says nothing', async () => {
    const events = await eventsSince();
    const { guard, lines, gauge } = openGuard();
    const report = await guard.check();
    expect(report).toMatchObject({ missing: [], differences: [], newer: false });
    expect(lines).toStrictEqual([]);
    expect(await gauge('gatehouse_schema_last_look_seconds')).toBeCloseTo(Date.now() / 1000, -2);
    expect(await events()).toStrictEqual({ failed: [], restored: [] });
  });

  it('says once and loudly that a table is missing, audits it, meters it, and says when it is back', async () => {
    const events = await eventsSince();
    const { guard, lines, gauge, codes } = openGuard();
    await guard.check();
    await withoutTable('known_devices', async () => {
      expect(guard.scoringEnabled()).toBe(true);
      await guard.check();
      await guard.check();
      expect(guard.scoringEnabled()).toBe(false);
      expect(guard.missing()).toStrictEqual(['known_devices']);
      expect(await gauge('gatehouse_schema_missing_tables')).toBe(1);
    });
    expect(codes()).toStrictEqual(['SCHEMA_MISSING_TABLES', 'SCHEMA_DRIFT']);
    expect(lines[0]).toMatchObject({
      level: 50,
      msg: 'SCHEMA_MISSING_TABLES',
      missing: ['known_devices'],
    });
    await guard.check();
    await guard.check();
    expect(guard.scoringEnabled()).toBe(true);
    expect(await gauge('gatehouse_schema_missing_tables')).toBe(0);
    expect(codes().slice(2)).toStrictEqual(['SCHEMA_RESTORED']);
    const { failed, restored } = await events();
    const details = expect.objectContaining({ missing: ['known_devices'] }) as unknown;
    const shape = { tenantId: null, actor: 'system', details };
    expect(failed).toStrictEqual([expect.objectContaining({ ...shape, outcome: 'failure' })]);
    expect(restored).toStrictEqual([expect.objectContaining({ ...shape, outcome: 'success' })]);
  });

  it('names an index, a column and a constraint that are missing or changed, and leaves scoring on', async () => {
    const events = await eventsSince();
    const { guard, lines, gauge, codes } = openGuard();
    await withoutIndex(async () => {
      await withChange(
        'ALTER TABLE users DROP CONSTRAINT users_email_lowercase, ADD CONSTRAINT users_email_lowercase CHECK (true)',
        'ALTER TABLE users DROP CONSTRAINT users_email_lowercase, ADD CONSTRAINT users_email_lowercase CHECK (email = lower(email))',
        () =>
          withChange(
            'ALTER TABLE refresh_tokens RENAME device_info TO info',
            'ALTER TABLE refresh_tokens RENAME info TO device_info',
            () => guard.check(),
          ),
      );
    });
    const findings = [
      'column public.refresh_tokens.device_info is missing',
      'column public.refresh_tokens.info comes from no migration',
      'constraint public.users.users_email_lowercase is changed',
      INDEX_MISSING,
    ];
    expect(lines[0]).toMatchObject({ level: 50, code: 'SCHEMA_DRIFT', findings });
    expect(guard.scoringEnabled()).toBe(true);
    expect(await gauge('gatehouse_schema_differences{problem="missing"}')).toBe(2);
    expect(await gauge('gatehouse_schema_differences{problem="changed"}')).toBe(1);
    expect(await gauge('gatehouse_schema_differences{problem="extra"}')).toBe(1);
    await guard.check();
    expect(codes()).toStrictEqual(['SCHEMA_DRIFT', 'SCHEMA_RESTORED']);
    const { failed, restored } = await events();
    const details = { missing: [], findings, differences: 4 };
    expect(failed.map((event) => event.details)).toStrictEqual([details]);
    expect(restored.map((event) => event.details)).toStrictEqual([details]);
  });

  it('audits a change once, however many nodes see it at once', async () => {
    const events = await eventsSince();
    const nodes = Array.from({ length: 4 }, () => openGuard().guard);
    await Promise.all(nodes.map((node) => node.check()));
    await withoutIndex(async () => {
      // All of them wait for the row of the last record, and go on together.
      const url = process.env['DATABASE_URL'] ?? '';
      await withConnection(url, async (holder) => {
        await holder.query('BEGIN; SELECT FROM schema_health FOR UPDATE');
        const looks = nodes.map((node) => node.check());
        await pollUntil(
          'all four wait',
          () => ask(url, WAITS_FOR_LOCK),
          (waiting) => waiting.length === nodes.length,
        );
        await holder.query('COMMIT');
        await Promise.all(looks);
      });
    });
    expect((await events()).failed).toHaveLength(1);
    await Promise.all(nodes.map((node) => node.check()));
    expect((await events()).restored).toHaveLength(1);
  });

  it('neither audits again after a restart, nor loses that it was mended while none was running', async () => {
    const events = await eventsSince();
    await withoutIndex(async () => {
      await openGuard().guard.check();
      await openGuard().guard.check();
    });
    expect((await events()).failed).toHaveLength(1);
    await openGuard().guard.check();
    await openGuard().guard.check();
    expect((await events()).restored).toHaveLength(1);
  });

  it('audits without the memory that nodes share where that is what is missing', async () => {
    const events = await eventsSince();
    const { guard } = openGuard();
    await guard.check();
    await withoutTable('schema_health', () => guard.check());
    expect((await events()).failed.map(({ details }) => details['missing'])).toStrictEqual([
      ['schema_health'],
    ]);
    await guard.check();
  });

  it('only logs while audit_logs itself is missing, and audits as soon as it can', async () => {
    const events = await eventsSince();
    const { guard, lines } = openGuard();
    await withoutTable('known_countries', async () => {
      await withoutTable('audit_logs', () => guard.check());
      expect(lines[0]?.missing).toStrictEqual(['audit_logs', 'known_countries']);
      expect(lines.map(({ msg }) => msg)).toStrictEqual(['SCHEMA_MISSING_TABLES', 'SCHEMA_DRIFT']);
      await guard.check();
    });
    expect((await events()).failed.map(({ details }) => details['missing'])).toStrictEqual([
      ['known_countries'],
    ]);
    await guard.check();
  });

  it('keeps what it last knew where it cannot look, says so, and counts it', async () => {
    const { guard, lines, gauge } = openGuard({ database: unreachable(), databaseUrl: NOWHERE });
    expect(await guard.start()).toBeUndefined();
    guard.stop();
    expect(lines).toStrictEqual([
      expect.objectContaining({ level: 40, msg: 'the schema could not be checked' }),
    ]);
    expect(await gauge('gatehouse_schema_looks_failed_total')).toBe(1);
    await expect(guard.check()).rejects.toThrow();
  });

  it('knows which tables are missing also where nothing else can be looked at', async () => {
    const { guard } = openGuard({ migrationsDir: '/nowhere' });
    await withoutTable('known_devices', async () => {
      await expect(guard.check()).rejects.toThrow(/catalogue\.json/);
      expect(guard.scoringEnabled()).toBe(false);
    });
    await expect(guard.check()).rejects.toThrow(/catalogue\.json/);
    expect(guard.scoringEnabled()).toBe(true);
  });

  it('of a release that a newer one has overtaken names only what it misses itself', async () => {
    const older = writeMigrations(readMigrations().slice(0, -1));
    const { guard, codes } = openGuard({ migrationsDir: older });
    await withoutIndex(async () => {
      const { newer, differences } = await guard.check();
      expect(newer).toBe(true);
      expect(differences).toStrictEqual([]);
    });
    expect(codes()).toStrictEqual(['SCHEMA_NEWER']);
    await withChange(
      'ALTER TABLE refresh_tokens RENAME device_info TO info',
      'ALTER TABLE refresh_tokens RENAME info TO device_info',
      async () => {
        const { differences } = await guard.check();
        expect(differences.map(({ object }) => object)).toStrictEqual([
          'column public.refresh_tokens.device_info',
        ]);
      },
    );
    await guard.check();
  });

  it('looks once for all who ask during a look, with one that begins after they asked', async () => {
    let looks = 0;
    const looking: (() => void)[] = [];
    const { logger } = memoryLog();
    const inspect = async () => {
      looks += 1;
      await new Promise<void>((resolve) => looking.push(resolve));
      const databaseUrl = process.env['DATABASE_URL'] ?? '';
      return inspectSchema({ databaseUrl, migrationsDir: MIGRATIONS, knownRoles: [servingRole()] });
    };
    const metrics = createMetrics();
    const guard = createSchemaGuard({ db, logger, metrics, intervalSec: 3600, inspect });
    const release = async (count: number) => {
      while (looking.length < count) await new Promise((resolve) => setImmediate(resolve));
      looking[count - 1]?.();
    };
    const first = guard.check();
    await new Promise((resolve) => setImmediate(resolve));
    const others = [guard.check(), guard.check(), guard.check()];
    await release(1);
    await first;
    await release(2);
    await Promise.all(others);
    expect(looks).toBe(2);
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
        const deadline = performance.now() + 40_000;
        while (guard.missing().length === 0 && performance.now() < deadline) {
          await new Promise((resolve) => setImmediate(resolve));
        }
        expect(guard.missing()).toStrictEqual(['known_devices']);
      });
      guard.stop();
      expect(lines[0]?.msg).toBe('SCHEMA_MISSING_TABLES');
      await guard.check();
    } finally {
      jest.useRealTimers();
    }
  });

  it('takes no connection of the pool that serves requests for the whole comparison', async () => {
    const { deps } = buildApp({ databasePoolSize: 2 });
    const held = await Promise.all([deps.pool.connect(), deps.pool.connect()]);
    try {
      const { differences } = await inspectSchema({
        databaseUrl: deps.config.databaseUrl,
        migrationsDir: MIGRATIONS,
        knownRoles: [servingRole()],
      });
      expect(differences).toStrictEqual([]);
    } finally {
      for (const client of held) client.release();
    }
  });
});
