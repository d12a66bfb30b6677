import {
  migrate,
  MigrationError,
  readMigrationState,
  runMigrations,
} from '@/server/schema/migrations/migrate';
import { ask, withConnection } from '../../helpers/database/askDatabase';
import { madeUp, statements, writeMigrations } from '../../helpers/database/migrationsFolder';
import type { Migration } from '../../helpers/database/migrationsFolder';
import { createTestDatabase } from '../../helpers/database/testDatabase';

let url: string;
let drop: () => Promise<void>;

beforeEach(async () => {
  ({ url, drop } = await createTestDatabase('template1'));
});
afterEach(() => drop());

const tables = async () =>
  (
    await ask<{ name: string }>(
      url,
      `SELECT relname AS name FROM pg_class
       WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1`,
    )
  ).map(({ name }) => name);

async function refusalOf(migrations: Migration[]): Promise<string> {
  const error: unknown = await migrate(url, writeMigrations(migrations)).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(MigrationError);
  return (error as Error).message;
}

const FAILS = statements('CREATE TABLE half (id int)', 'SELECT 1 / 0');
const A = madeUp(1, 'CREATE TABLE a (id int)', 'a');
const B = madeUp(2, 'CREATE TABLE b (id int)', 'b');

describe('in which transaction a migration runs', () => {
  const log = (number: number, marker = '') =>
    madeUp(number, `${marker}INSERT INTO log SELECT ${number}, pg_current_xact_id()::text`);

  it('with its neighbours, unless it is marked to have its own', async () => {
    const folder = writeMigrations([
      madeUp(1, 'CREATE TABLE log (number int, xid text)'),
      log(2),
      log(3, '-- about it\n\n-- gatehouse:transaction own\n'),
      log(4),
      log(5),
    ]);
    expect(await migrate(url, folder)).toBe(5);
    const rows = await ask<{ xid: string }>(url, 'SELECT xid FROM log ORDER BY number');
    const [two, three, four, five] = rows.map(({ xid }) => xid);
    expect(four).toBe(five);
    expect(new Set([two, three, four]).size).toBe(3);
  });

  it('is undone with all that ran before it, and the message says that nothing was changed', async () => {
    expect(await refusalOf([A, B, madeUp(3, FAILS, 'fails')])).toBe(
      'The migration 0003_fails failed at statement 2 of 2, `SELECT 1 / 0`: division by zero. Nothing was changed. Mend the cause, then run `npm run admin -- db migrate` again.',
    );
    expect(await tables()).toStrictEqual([]);
  });

  it('keeps what was committed before one of its own, and the message says what', async () => {
    const fails = madeUp(3, `-- gatehouse:transaction own\n${FAILS}`, 'fails');
    expect(await refusalOf([A, B, fails, madeUp(4, 'CREATE TABLE c ()', 'c')])).toMatch(
      /^The migration 0003_fails failed .* Committed and kept: 0001_a, 0002_b; nothing else was changed\. /,
    );
    expect(await tables()).toStrictEqual(['a', 'b']);
    const mended = { ...fails, sql: '-- gatehouse:transaction own\nCREATE TABLE whole (id int)' };
    const applied = await runMigrations(url, writeMigrations([A, B, mended]));
    expect(applied.map(({ tag }) => tag)).toStrictEqual(['0003_fails']);
  });

  it.each([
    ['an unknown word', '-- gatehouse:transaction off\nSELECT 1'],
    ['no word', '-- gatehouse:transaction\nSELECT 1'],
    ['a place after the first statement', 'SELECT 1;\n-- gatehouse:transaction none'],
    ['another one', '-- gatehouse:transaction own\n-- gatehouse:transaction none\nSELECT 1'],
  ])('is refused where its marker has %s, before anything runs', async (_what, sql) => {
    expect(await refusalOf([A, madeUp(2, sql, 'marked')])).toMatch(
      /^The migration 0002_marked must hold at most one line `-- gatehouse:transaction own` or /,
    );
    expect(await tables()).toStrictEqual([]);
  });

  it.each(['COMMIT', 'ROLLBACK'])(
    'is named where it ends its transaction itself: %s',
    async (end) => {
      const ends = madeUp(2, statements('CREATE TABLE before (id int)', end), 'ends');
      expect(await refusalOf([A, ends, madeUp(3, 'CREATE TABLE after (id int)')])).toMatch(
        /^The migration 0002_ends ended the transaction .* with COMMIT or ROLLBACK, .* `npm run admin -- db check`/,
      );
      const { pendingTags } = await readMigrationState(url, writeMigrations([A, ends]));
      expect(pendingTags).toStrictEqual(end === 'COMMIT' ? ['0002_ends'] : ['0001_a', '0002_ends']);
      expect(await tables()).not.toContain('after');
    },
  );

  it.each([
    [
      'a statement of its own',
      statements('CREATE TABLE before (id int)', 'COMMIT', 'SELECT 1 / 0'),
    ],
    ['among others', 'CREATE TABLE before (id int); COMMIT; SELECT 1 / 0'],
  ])(
    'is not said to have changed nothing where it fails after a COMMIT: %s',
    async (_what, sql) => {
      const message = await refusalOf([A, madeUp(2, sql, 'ends')]);
      expect(message).toMatch(/^The migration 0002_ends ended the transaction .* with COMMIT /);
      expect(message).not.toContain('Nothing was changed');
      expect(await tables()).toStrictEqual(['a', 'before']);
    },
  );

  it('runs nothing more after it ended its transaction itself', async () => {
    const ends = statements('ROLLBACK', 'CREATE TABLE outside (id int)', 'SELECT 1 / 0');
    expect(await refusalOf([A, madeUp(2, ends, 'ends')])).toMatch(/^The migration 0002_ends ended/);
    expect(await tables()).toStrictEqual([]);
  });

  it.each([
    ['it lacks room', '53100'],
    ['another one refused it', '28P01'],
  ])('is told in the words of a server that still answers: %s', async (_what, code) => {
    const fails = `DO $$ BEGIN RAISE 'in its words' USING ERRCODE = '${code}'; END $$`;
    expect(await refusalOf([A, madeUp(2, fails, 'fails')])).toMatch(
      /^The migration 0002_fails failed at statement 1 of 1, .*: in its words\. Nothing was changed\. /,
    );
  });

  it('names the constraint that the data break, and none of the data', async () => {
    await migrate(url, writeMigrations([A]));
    await ask(url, 'INSERT INTO a VALUES (4711), (4711)');
    const unique = madeUp(2, 'ALTER TABLE a ADD CONSTRAINT a_id_unique UNIQUE (id)', 'unique');
    const message = await refusalOf([A, unique]);
    expect(message).toMatch(
      /^The migration 0002_unique failed .*"a_id_unique".* Nothing was changed\./,
    );
    expect(message).not.toContain('4711');
  });
});

describe('a table that somebody else uses', () => {
  const change = madeUp(3, `SET LOCAL lock_timeout = '100ms'; ALTER TABLE a ADD x int`, 'change');

  it('ends the migration soon, with the names of those who are in the way and of their tables', async () => {
    await migrate(url, writeMigrations([A]));
    await withConnection(url, async (reader) => {
      await reader.query(`SET application_name = 'a long report'; BEGIN; SELECT FROM a`);
      const { rows } = await reader.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      const message = await refusalOf([A, B, change]);
      expect(message).toMatch(
        /^The migration 0003_change failed at statement 1 of 1, .* in time\. /,
      );
      expect(message).toContain(
        `Open now, the oldest first: process ${rows[0]?.pid} of the database`,
      );
      expect(message).toMatch(
        /application 'a long report', from \S+, since \S+Z\), which uses a\. /,
      );
      expect(message).toMatch(
        /Nothing was changed\. .* then run `npm run admin -- db migrate` again\.$/,
      );
    });
    expect(await tables()).toStrictEqual(['a']);
    expect(await migrate(url, writeMigrations([A, B, change]))).toBe(2);
  });

  it('keeps requests waiting for five seconds at most, whatever the migration before it has set', async () => {
    const see = (number: number) =>
      madeUp(
        number,
        `CREATE TABLE seen_${number} AS SELECT current_setting('lock_timeout') AS seen`,
      );
    const folder = writeMigrations([
      see(1),
      madeUp(2, `SET LOCAL lock_timeout = 0; SET LOCAL search_path = pg_catalog`),
      see(3),
    ]);
    await migrate(url, folder);
    expect(
      await ask(url, 'SELECT a.seen AS one, b.seen AS other FROM seen_1 a, seen_3 b'),
    ).toStrictEqual([{ one: '5s', other: '5s' }]);
  });
});

describe('settings of the database or the role', () => {
  it('neither end the run nor send its tables elsewhere', async () => {
    const name = new URL(url).pathname.slice(1);
    const settings = [
      `search_path = elsewhere, public`,
      `statement_timeout = '100ms'`,
      `idle_in_transaction_session_timeout = '100ms'`,
      `default_transaction_isolation = serializable`,
      `default_transaction_read_only = on`,
    ];
    await withConnection(url, async (client) => {
      await client.query('CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.a (id int)');
      for (const setting of settings) await client.query(`ALTER DATABASE ${name} SET ${setting}`);
    });
    const slow = `CREATE FUNCTION slow(int) RETURNS int IMMUTABLE LANGUAGE plpgsql
      AS $$ BEGIN PERFORM pg_sleep(0.2); RETURN $1; END $$`;
    const index = 'CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON a (slow(id))';
    const folder = writeMigrations([
      madeUp(1, statements('CREATE TABLE a (id int)', slow, 'INSERT INTO a SELECT slow(1)')),
      madeUp(2, `-- gatehouse:transaction none\n${index}`),
    ]);
    expect(await migrate(url, folder)).toBe(2);
    const made = `SELECT relname AS name, relnamespace::regnamespace::text AS schema FROM pg_class WHERE relname IN ('a', 'i')`;
    expect(await ask(url, `${made} ORDER BY 1, 2`)).toStrictEqual([
      { name: 'a', schema: 'elsewhere' },
      { name: 'a', schema: 'public' },
      { name: 'i', schema: 'public' },
    ]);
  });
});
