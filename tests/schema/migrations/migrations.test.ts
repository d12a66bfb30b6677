import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate as drizzleMigrate } from 'drizzle-orm/node-postgres/migrator';
import { migrate, MigrationError, readMigrationState } from '@/server/schema/migrations/migrate';
import { ask, withConnection } from '../../helpers/database/askDatabase';
import {
  inOneTransaction,
  MIGRATIONS,
  readMigrations,
  writeMigrations,
} from '../../helpers/database/migrationsFolder';
import type { Migration } from '../../helpers/database/migrationsFolder';
import { MIGRATION_LOCK } from '../../helpers/database/migrator';
import { pollUntil } from '../../helpers/time/pollUntil';
import { externalEnv, killServers, startServer } from '../../helpers/server/serverProcess';
import type { ServerProcess } from '../../helpers/server/serverProcess';
import { createTestDatabase } from '../../helpers/database/testDatabase';

const ALL = readMigrations();
const NEWEST = ALL.at(-1) as Migration;

let url: string;
let drop: () => Promise<void>;

beforeEach(async () => {
  ({ url, drop } = await createTestDatabase('template1'));
});
afterEach(async () => {
  await killServers();
  await drop();
});

/** Returns a migration that is later than all of this release. */
const later = (sql: string, tag = '9999_later'): Migration => ({
  ...NEWEST,
  idx: NEWEST.idx + 1,
  when: NEWEST.when + 1000,
  tag,
  sql,
});

const applied = () =>
  ask<{ hash: string; created_at: string }>(
    url,
    'SELECT hash, created_at FROM drizzle.__drizzle_migrations ORDER BY id',
  );

/**
 * Between two attempts a migrator's connection is idle, and its last statement belongs to an
 * attempt.
 */
const ASKED_FOR_THE_LOCK = `SELECT DISTINCT application_name FROM pg_stat_activity
  WHERE datname = current_database() AND application_name LIKE 'gatehouse-migrate %'
    AND state = 'idle' AND query LIKE '%pg_stat_activity%'`;

/** Returns every table, column, index, constraint, function and applied migration in one text. */
async function fingerprint(): Promise<string> {
  const [row] = await ask<{ print: string }>(
    url,
    `SELECT concat_ws(E'\\n',
       (SELECT string_agg(format('%s.%s.%s %s', table_schema, table_name, column_name, data_type), E'\\n'
          ORDER BY table_schema, table_name, column_name) FROM information_schema.columns
          WHERE table_schema IN ('public', 'drizzle')),
       (SELECT string_agg(indexdef, E'\\n' ORDER BY indexname) FROM pg_indexes
          WHERE schemaname IN ('public', 'drizzle')),
       (SELECT string_agg(conname, E'\\n' ORDER BY conname) FROM pg_constraint),
       (SELECT string_agg(proname || prosrc, E'\\n' ORDER BY proname) FROM pg_proc
          WHERE pronamespace = 'public'::regnamespace)) AS print`,
  );
  return row?.print ?? '';
}

describe('many at once', () => {
  it('five processes that start on an empty database all come up, and each migration ran once', async () => {
    const servers: ServerProcess[] = [];
    await withConnection(url, async (holder) => {
      // All of them must have tried the lock and failed before any may go on.
      await holder.query(`BEGIN; SELECT pg_advisory_xact_lock(${MIGRATION_LOCK})`);
      for (let count = 0; count < 5; count += 1) servers.push(startServer(externalEnv(url)));
      await pollUntil(
        'all five wait',
        () => ask(url, ASKED_FOR_THE_LOCK),
        (rows) => rows.length === 5,
      );
      await holder.query('ROLLBACK');
    });
    const urls = await Promise.all(servers.map((server) => server.url()));
    expect(new Set(urls).size).toBe(5);
    expect((await applied()).map(({ created_at }) => Number(created_at))).toStrictEqual(
      ALL.map(({ when }) => when),
    );
    const migrated = servers.filter((server) => server.stdout().includes('migrations applied'));
    expect(migrated).toHaveLength(1);
  });

  it('the same call ten times at once migrates once', async () => {
    const counts = await Promise.all(Array.from({ length: 10 }, () => migrate(url, MIGRATIONS)));
    expect(counts.sort((a, b) => b - a)).toStrictEqual([ALL.length, ...Array<number>(9).fill(0)]);
    expect(await applied()).toHaveLength(ALL.length);
  });
});

describe('a database and a release that do not fit', () => {
  async function expectRefusal(folder: string, sentence: RegExp): Promise<void> {
    const before = await fingerprint();
    const rows = await applied();
    const refusal = migrate(url, folder);
    await expect(refusal).rejects.toBeInstanceOf(MigrationError);
    await expect(refusal).rejects.toThrow(sentence);
    const { problems } = await readMigrationState(url, folder);
    expect(problems.map(({ message }) => message)).toStrictEqual([expect.stringMatching(sentence)]);
    expect(await fingerprint()).toBe(before);
    expect(await applied()).toStrictEqual(rows);
  }

  it('refuses a migration that comes late, which Drizzle would skip in silence', async () => {
    await migrate(url, MIGRATIONS);
    const late = { ...later('CREATE TABLE late (id int)'), when: NEWEST.when - 1 };
    await expectRefusal(
      writeMigrations([...ALL, late]),
      /^The migration 9999_later is older than the newest one applied, \S+, and would be skipped in silence\. Give it a new timestamp: /,
    );
  });

  it('refuses a migration that was edited after it was applied', async () => {
    await migrate(url, MIGRATIONS);
    const edited = ALL.map((one, at) =>
      at === 1 ? { ...one, sql: `${one.sql}\n-- edited` } : one,
    );
    await expectRefusal(
      writeMigrations([...edited, later('CREATE TABLE never (id int)')]),
      /^The migration 0001_initial_tables was edited after it was applied\. /,
    );
  });

  it('refuses a database that a newer release has migrated', async () => {
    await migrate(url, writeMigrations([...ALL, later('CREATE TABLE newer (id int)')]));
    await expectRefusal(
      MIGRATIONS,
      /^The database holds the migration 9999_later, which this release does not know: it was migrated by a newer release\. /,
    );
  });

  it('leaves the database as it was when a migration fails, those before it included', async () => {
    const failing = later(
      'CREATE TABLE half (id int);--> statement-breakpoint\nSELECT 1 / 0',
      '9999_failing',
    );
    const empty = await fingerprint();
    const together = writeMigrations([...inOneTransaction(ALL), failing]);
    await expect(migrate(url, together)).rejects.toThrow(/division/);
    expect(await fingerprint()).toBe(empty);

    await migrate(url, MIGRATIONS);
    const whole = await fingerprint();
    await expect(migrate(url, writeMigrations([...ALL, failing]))).rejects.toThrow(/division/);
    expect(await fingerprint()).toBe(whole);
    expect(await applied()).toHaveLength(ALL.length);
  });
});

describe('a migrated database', () => {
  beforeEach(() => migrate(url, MIGRATIONS));

  it('is not touched by migrating again', async () => {
    const before = await fingerprint();
    expect(await migrate(url, MIGRATIONS)).toBe(0);
    expect(await fingerprint()).toBe(before);
    expect(await readMigrationState(url, MIGRATIONS)).toStrictEqual({
      applied: ALL.length,
      pending: 0,
      pendingTags: [],
      problems: [],
    });
  });

  it('is complete in the eyes of Drizzle’s own migrator too', async () => {
    const rows = await applied();
    await withConnection(url, (client) =>
      drizzleMigrate(drizzle(client), { migrationsFolder: MIGRATIONS }),
    );
    expect(await applied()).toStrictEqual(rows);
  });

  it('knows exactly the seven reasons to revoke, in this order', async () => {
    const labels = await ask<{ label: string }>(
      url,
      'SELECT unnest(enum_range(NULL::revoke_reason))::text AS label',
    );
    expect(labels.map(({ label }) => label)).toStrictEqual([
      'manual',
      'rotation',
      'logout',
      'force_logout',
      'session_expired',
      'reuse_detected',
      'security_event',
    ]);
  });

  it('makes UUIDs of version 7 that hold the time and sort by it', async () => {
    const ids: string[] = [];
    const began = Date.now();
    await withConnection(url, async (client) => {
      for (let made = 0; made < 5; made += 1) {
        const { rows } = await client.query<{ id: string }>(
          `SELECT gatehouse_uuid_v7() AS id FROM pg_sleep(0.003)`,
        );
        ids.push(rows[0]?.id ?? '');
      }
    });
    const ended = Date.now();
    for (const id of ids) {
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      const at = Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16);
      expect(at).toBeGreaterThanOrEqual(began - 1);
      expect(at).toBeLessThanOrEqual(ended + 1);
    }
    expect([...ids].sort()).toStrictEqual(ids);
    const [many] = await ask<{ distinct: number }>(
      url,
      `SELECT count(DISTINCT gatehouse_uuid_v7())::int AS "distinct" FROM generate_series(1, 20000)`,
    );
    expect(many?.distinct).toBe(20_000);
  });
});
