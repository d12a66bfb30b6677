import { createHash } from 'node:crypto';
import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate as drizzleMigrate } from 'drizzle-orm/node-postgres/migrator';
import { migrate, runMigrations } from '@/server/schema/migrations/migrate';
import { ask, withConnection } from '../../helpers/database/askDatabase';
import {
  inOneTransaction,
  madeUp,
  MIGRATIONS,
  readMigrations,
  writeMigrations,
} from '../../helpers/database/migrationsFolder';
import { createTestDatabase } from '../../helpers/database/testDatabase';

const ALL = readMigrations();
const WHO = { codeVersion: '1.2.3+abc', appliedBy: 'ada@laptop', correlationId: 'deploy-7' };

let url: string;
let drop: () => Promise<void>;

beforeEach(async () => {
  ({ url, drop } = await createTestDatabase('template1'));
});
afterEach(() => drop());

interface LedgerRow {
  tag: string | null;
  hash: string;
  applied_at: Date | null;
  duration_ms: number | null;
  code_version: string | null;
  applied_by: string | null;
  database_user: string | null;
}

const ledger = () => ask<LedgerRow>(url, 'SELECT * FROM drizzle.__drizzle_migrations ORDER BY id');

interface Event {
  subject: string;
  tenant_id: string | null;
  actor: string;
  outcome: string;
  correlation_id: string;
  details: Record<string, unknown>;
}

const events = () =>
  ask<Event>(
    url,
    `SELECT subject, tenant_id, actor, outcome::text, correlation_id, details FROM audit_logs
     WHERE action = 'SCHEMA_MIGRATED' ORDER BY subject`,
  );

describe('the record of a migration', () => {
  it('says what was applied, when, how long it took, by which release, by whom and as which role', async () => {
    const before = Date.now();
    const sql = 'SELECT pg_sleep(0.05)';
    await migrate(url, writeMigrations([madeUp(1, sql)]), WHO);
    const [row] = await ledger();
    expect(row).toMatchObject({
      tag: '0001_made_up',
      hash: createHash('sha256').update(sql).digest('hex'),
      code_version: '1.2.3+abc',
      applied_by: 'ada@laptop',
      database_user: new URL(url).username,
    });
    expect(row?.duration_ms).toBeGreaterThanOrEqual(50);
    expect(row?.duration_ms).toBeLessThan(40_000);
    expect(row?.applied_at?.getTime()).toBeGreaterThanOrEqual(before - 1000);
  });

  it('says when each ended, also where they share a transaction', async () => {
    await migrate(url, writeMigrations([1, 2].map((number) => madeUp(number, 'SELECT 1'))));
    const ordered = await ask(
      url,
      `SELECT array_agg(tag ORDER BY applied_at) AS tags, count(DISTINCT applied_at)::int AS times
       FROM drizzle.__drizzle_migrations`,
    );
    expect(ordered).toStrictEqual([{ tags: ['0001_made_up', '0002_made_up'], times: 2 }]);
  });

  it('is kept by a role that may not make a schema, where there is nothing to make', async () => {
    await migrate(url, writeMigrations([madeUp(1, 'SELECT 1')]));
    const role = `lesser_${new URL(url).pathname.slice(1)}`;
    const lesser = new URL(url);
    [lesser.username, lesser.password] = [role, 'secret'];
    await ask(url, `CREATE ROLE ${role} LOGIN PASSWORD 'secret'`);
    await ask(url, `GRANT USAGE ON SCHEMA drizzle TO ${role}`);
    await ask(url, `GRANT ALL ON ALL TABLES IN SCHEMA drizzle TO ${role}`);
    await ask(url, `GRANT ALL ON ALL SEQUENCES IN SCHEMA drizzle TO ${role}`);
    const more = writeMigrations([1, 2].map((number) => madeUp(number, 'SELECT 1')));
    const count = await migrate(lesser.toString(), more).catch((error: unknown) => error);
    await ask(url, `DROP OWNED BY ${role}`);
    await ask(url, `DROP ROLE ${role}`);
    expect(count).toBe(1);
  });

  it('names the role that signed in, whichever one the migration took on', async () => {
    await migrate(url, writeMigrations([madeUp(1, 'SELECT 1')]));
    const role = `owner_of_${new URL(url).pathname.slice(1)}`;
    await ask(url, `CREATE ROLE ${role}`);
    await ask(url, `GRANT ALL ON SCHEMA drizzle TO ${role}`);
    await ask(url, `GRANT ALL ON ALL TABLES IN SCHEMA drizzle TO ${role}`);
    await ask(url, `GRANT ALL ON ALL SEQUENCES IN SCHEMA drizzle TO ${role}`);
    const takes = madeUp(2, `SET LOCAL ROLE ${role}`, 'takes');
    await migrate(url, writeMigrations([madeUp(1, 'SELECT 1'), takes]));
    const rows = (await ledger()).map(({ tag, database_user: user }) => ({ tag, user }));
    await ask(url, `DROP OWNED BY ${role}`);
    await ask(url, `DROP ROLE ${role}`);
    expect(rows.at(-1)).toStrictEqual({ tag: '0002_takes', user: new URL(url).username });
  });

  it('is empty, not made up, where it was written before there was one or nobody said', async () => {
    const first = writeMigrations([madeUp(1, 'SELECT 1')]);
    await withConnection(url, (client) =>
      drizzleMigrate(drizzle(client), { migrationsFolder: first }),
    );
    await migrate(url, writeMigrations([madeUp(1, 'SELECT 1'), madeUp(2, 'SELECT 2')]));
    const [before, after] = await ledger();
    const unknown = { code_version: null, applied_by: null };
    expect(before).toMatchObject({ ...unknown, tag: null, applied_at: null, duration_ms: null });
    expect(before?.database_user).toBeNull();
    expect(after).toMatchObject({ ...unknown, tag: '0002_made_up' });
  });

  it('gets its columns also where nothing is pending', async () => {
    // Drizzle's own migrator only supports one transaction.
    const plain = inOneTransaction(ALL);
    const folder = writeMigrations(plain);
    await withConnection(url, (client) =>
      drizzleMigrate(drizzle(client), { migrationsFolder: folder }),
    );
    expect(await migrate(url, folder)).toBe(0);
    expect((await ledger()).map(({ tag }) => tag)).toStrictEqual(plain.map(() => null));
  });

  it('is kept without keeping those waiting who read it', async () => {
    await migrate(url, writeMigrations([madeUp(1, 'SELECT 1')]));
    await withConnection(url, async (reader) => {
      await reader.query('BEGIN; SELECT FROM drizzle.__drizzle_migrations');
      const more = writeMigrations([madeUp(1, 'SELECT 1'), madeUp(2, 'SELECT 2')]);
      expect(await migrate(url, more)).toBe(1);
      expect(await migrate(url, more)).toBe(0);
    });
  });
});

describe('the audit log', () => {
  it('has one event for each migration, those before the log was there included', async () => {
    const applied = await runMigrations(url, MIGRATIONS, WHO);
    expect(applied.map(({ tag }) => tag)).toStrictEqual(ALL.map(({ tag }) => tag));
    expect(await events()).toStrictEqual(
      applied.map(({ tag, hash, durationMs }) => ({
        subject: `migration:${tag}`,
        tenant_id: null,
        actor: 'system',
        outcome: 'success',
        correlation_id: 'deploy-7',
        details: {
          tag,
          hash,
          durationMs,
          codeVersion: '1.2.3+abc',
          appliedBy: 'ada@laptop',
        },
      })),
    );
    const more = writeMigrations([...ALL, madeUp(9000, 'SELECT 1')]);
    expect(await migrate(url, more)).toBe(1);
    const [newest, ...others] = (await events()).reverse();
    expect(others).toHaveLength(ALL.length);
    expect(newest).toMatchObject({
      correlation_id: 'migration',
      details: { tag: '9000_made_up', codeVersion: null, appliedBy: null },
    });
    await migrate(url, more);
    expect(await events()).toHaveLength(ALL.length + 1);
  });

  it('is told at the end of the run of what was committed before it could hold it', async () => {
    const marker = '-- gatehouse:transaction';
    const early = [
      madeUp(1, `${marker} own\nSELECT 1`),
      madeUp(2, `${marker} none\nDROP INDEX CONCURRENTLY IF EXISTS nothing`),
    ];
    await migrate(url, writeMigrations([...early, ...ALL]));
    const tags = (await events()).map(({ details }) => details['tag']);
    expect(tags.sort()).toStrictEqual([...early, ...ALL].map(({ tag }) => tag).sort());
  });

  it('is told whatever search_path the last migration left behind', async () => {
    await migrate(
      url,
      writeMigrations([...ALL, madeUp(9000, 'SET LOCAL search_path = pg_catalog')]),
    );
    expect(await events()).toHaveLength(ALL.length + 1);
  });

  it('holds nothing of a migration that was undone', async () => {
    await migrate(url, MIGRATIONS);
    const folder = writeMigrations([
      ...ALL,
      madeUp(9000, 'SELECT 1'),
      madeUp(9001, 'SELECT 1 / 0'),
    ]);
    await expect(migrate(url, folder)).rejects.toThrow(/division/);
    expect(await events()).toHaveLength(ALL.length);
  });

  it('that is not there, or not as it should be, keeps no migration from running', async () => {
    await migrate(url, writeMigrations([madeUp(1, 'CREATE TABLE t (id int)')]));
    await ask(url, 'CREATE TABLE audit_logs (id int)');
    const more = writeMigrations([madeUp(1, 'CREATE TABLE t (id int)'), madeUp(2, 'SELECT 2')]);
    expect(await migrate(url, more)).toBe(1);
    expect(await ask(url, 'SELECT FROM audit_logs')).toHaveLength(0);
  });
});
