import { createHash } from 'node:crypto';
import type { Client } from 'pg';
import { migrate, readMigrationState } from '@/server/schema/migrations/migrate';
import { endProcesses, markAsWorking } from '@/server/schema/migrations/runLock';
import { ask, WAITS_FOR_LOCK, withConnection } from '../../helpers/database/askDatabase';
import { madeUp, writeMigrations } from '../../helpers/database/migrationsFolder';
import { pollUntil } from '../../helpers/time/pollUntil';
import { createTestDatabase } from '../../helpers/database/testDatabase';

let url: string;
let drop: () => Promise<void>;

beforeEach(async () => {
  ({ url, drop } = await createTestDatabase('template1'));
});
afterEach(() => drop());

const NONE = '-- gatehouse:transaction none\n';
const BASE = madeUp(1, 'CREATE TABLE t (id int)', 'base');

describe('a statement that was cut off', () => {
  /**
   * Prepares a database and a folder with a migration whose only statement was running when its
   * process died.
   */
  async function interrupt(sql: string): Promise<string> {
    const { when, tag, ...rest } = madeUp(2, sql, 'cut_off');
    const hash = createHash('sha256').update(sql).digest('hex');
    await migrate(url, writeMigrations([BASE]));
    await ask(
      url,
      `INSERT INTO drizzle.gatehouse_interrupted_migrations (created_at, tag, hash, statement)
       VALUES ($1, $2, $3, 1)`,
      [when, tag, hash],
    );
    return writeMigrations([BASE, { when, tag, ...rest }]);
  }

  async function judge(statement: string): Promise<string> {
    const { problems } = await readMigrationState(url, await interrupt(`${NONE}${statement}`));
    return problems.map(({ message }) => message).join('\n');
  }

  it.each([
    'CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (id);',
    'CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "i" ON public.t (id)',
    'DROP INDEX CONCURRENTLY IF EXISTS i;\n',
    'CREATE TABLE IF NOT EXISTS a (id int)',
    "ALTER TYPE mood ADD VALUE IF NOT EXISTS 'fine'",
    'ALTER TABLE t VALIDATE CONSTRAINT c',
    'ALTER TABLE t\n  ADD COLUMN IF NOT EXISTS a int',
  ])('is run again where that does no harm: %j', async (statement) => {
    expect(await judge(statement)).toMatch(/which finishes it\.$/);
  });

  it.each([
    'UPDATE t SET id = id + 1',
    'DROP INDEX CONCURRENTLY i',
    'CREATE TABLE IF NOT EXISTS a (id int); INSERT INTO t VALUES (1)',
    'DO $$ BEGIN IF EXISTS (SELECT FROM t) THEN UPDATE t SET id = id + 1; END IF; END $$',
    "INSERT INTO t SELECT 1 WHERE 'IF EXISTS' <> ''",
    '-- only IF NOT EXISTS\nINSERT INTO t VALUES (1)',
    'ALTER TABLE IF EXISTS t ADD COLUMN a int',
    'ALTER TABLE t ADD COLUMN IF NOT EXISTS a int, ADD COLUMN b int',
    'ALTER TABLE t VALIDATE CONSTRAINT c; UPDATE t SET id = id + 1',
  ])('is left to a human where it may do harm: %j', async (statement) => {
    expect(await judge(statement)).toMatch(/ which cannot simply run again\. /);
  });

  it('is not ended where somebody runs it by hand now: only what a migrator left is', async () => {
    const sql = `${NONE}ALTER TABLE t ADD once int`;
    const folder = await interrupt(sql);
    await withConnection(url, async (user) => {
      await user.query('BEGIN; SELECT FROM t');
      const byHand = ask(url, sql);
      await pollUntil(
        'it waits for the table',
        () => ask(url, WAITS_FOR_LOCK),
        (rows) => rows.length > 0,
      );
      await expect(migrate(url, folder)).rejects.toThrow(/ which cannot simply run again\. /);
      await user.query('COMMIT');
      await byHand;
    });
    expect(await ask(url, 'SELECT once FROM t')).toStrictEqual([]);
  });
});

it('what is ended is waited for until it is gone', async () => {
  const found = [[{ pid: 1 }, { pid: 2 }], [{ pid: 2 }], []];
  const client = { query: () => Promise.resolve({ rows: found.shift() }) };
  await endProcesses(client as unknown as Client, 'SELECT 1 AS pid');
  expect(found).toStrictEqual([]);
});

it('what another role left at work is named, where this one may not end it', async () => {
  await migrate(url, writeMigrations([BASE]));
  const name = new URL(url).pathname.slice(1);
  const role = `lesser_${name}`;
  const lesser = new URL(url);
  [lesser.username, lesser.password] = [role, 'secret'];
  await withConnection(url, async (left) => {
    await left.query(
      `CREATE ROLE ${role} LOGIN PASSWORD 'secret';
       GRANT ALL ON SCHEMA public, drizzle TO ${role};
       GRANT ALL ON ALL TABLES IN SCHEMA drizzle TO ${role}`,
    );
    await left.query('BEGIN');
    await markAsWorking(left);
    const { rows } = await left.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    const says = new RegExp(
      `^Process ${rows[0]?.pid} of the database still works at a migration whose program is gone, and this role may not end it\\. As one that may, end it with `,
    );
    const folder = writeMigrations([BASE, madeUp(2, 'SELECT 1')]);
    await expect(migrate(lesser.toString(), folder)).rejects.toThrow(says);
    await left.query('ROLLBACK');
    await left.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  });
});
