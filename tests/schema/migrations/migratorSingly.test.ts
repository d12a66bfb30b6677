import { migrate, MigrationError, runMigrations } from '@/server/schema/migrations/migrate';
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

async function refusalOf(migrations: Migration[]): Promise<string> {
  const error: unknown = await migrate(url, writeMigrations(migrations)).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(MigrationError);
  return (error as Error).message;
}

const A = madeUp(1, 'CREATE TABLE a (id int)', 'a');

describe('a migration whose statements run one by one', () => {
  const sql = statements(
    '-- gatehouse:transaction none\nCREATE INDEX CONCURRENTLY IF NOT EXISTS i ON a (id)',
    'CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS u ON a (id)',
    'DROP INDEX CONCURRENTLY IF EXISTS i',
  );
  const singly = madeUp(2, sql, 'singly');
  const indexes = () =>
    ask(
      url,
      `SELECT indexrelid::regclass::text AS name, indisvalid AS valid FROM pg_index
       WHERE indrelid = 'a'::regclass ORDER BY 1`,
    );
  const unfinished = () =>
    ask(url, 'SELECT tag, done, statement FROM drizzle.gatehouse_interrupted_migrations');

  it('can do what no transaction can, between others that share one', async () => {
    const folder = writeMigrations([A, singly, madeUp(3, 'CREATE TABLE c (id int)', 'c')]);
    const applied = await runMigrations(url, folder);
    expect(applied.map(({ tag }) => tag)).toStrictEqual(['0001_a', '0002_singly', '0003_c']);
    expect(await indexes()).toStrictEqual([{ name: 'u', valid: true }]);
    expect(await unfinished()).toStrictEqual([]);
  });

  it('is kept whole where a later one fails', async () => {
    expect(await refusalOf([A, singly, madeUp(3, 'SELECT 1 / 0')])).toContain(
      'Committed and kept: 0001_a, 0002_singly; nothing else was changed.',
    );
  });

  it('leaves no broken index when one fails, says what is done, and goes on from there', async () => {
    await migrate(url, writeMigrations([A]));
    await ask(url, 'INSERT INTO a VALUES (1), (1)');
    expect(await refusalOf([A, singly])).toMatch(
      /^The migration 0002_singly failed at statement 2 of 3, .* Committed and kept: statements 1 to 1 of 0002_singly; nothing else was changed\. /,
    );
    expect(await indexes()).toStrictEqual([{ name: 'i', valid: true }]);
    expect(await unfinished()).toStrictEqual([{ tag: '0002_singly', done: 1, statement: null }]);
    await ask(url, 'DELETE FROM a');
    expect(await migrate(url, writeMigrations([A, singly]))).toBe(1);
    expect(await indexes()).toStrictEqual([{ name: 'u', valid: true }]);
    expect(await unfinished()).toStrictEqual([]);
  });

  it('waits five minutes at most for those who use a table, and no longer in all that follows', async () => {
    const see = (number: number, marker: string) =>
      madeUp(
        number,
        `${marker}CREATE TABLE IF NOT EXISTS seen_${number} AS SELECT current_setting('lock_timeout') AS seen`,
      );
    const folder = writeMigrations([see(1, '-- gatehouse:transaction none\n'), see(2, '')]);
    await migrate(url, folder);
    expect(
      await ask(url, 'SELECT a.seen AS alone, b.seen AS together FROM seen_1 a, seen_2 b'),
    ).toStrictEqual([{ alone: '5min', together: '5s' }]);
  });

  it('may be mended while nothing of it is done', async () => {
    await migrate(url, writeMigrations([A]));
    const wrong = { ...singly, sql: singly.sql.replace('(id)', '(nothing)') };
    expect(await refusalOf([A, wrong])).toMatch(
      /column "nothing" does not exist\. Nothing was changed\./,
    );
    expect(await migrate(url, writeMigrations([A, singly]))).toBe(1);
  });

  it('is not content with an index of the name that is not valid', async () => {
    await migrate(url, writeMigrations([A]));
    await ask(url, 'INSERT INTO a VALUES (1), (1)');
    await expect(ask(url, 'CREATE UNIQUE INDEX CONCURRENTLY u ON a (id)')).rejects.toThrow();
    await ask(url, 'DELETE FROM a');
    expect(await indexes()).toStrictEqual([{ name: 'u', valid: false }]);
    await migrate(url, writeMigrations([A, singly]));
    expect(await indexes()).toStrictEqual([{ name: 'u', valid: true }]);
  });

  it('is said to be kept where it is done and could not be recorded', async () => {
    await migrate(url, writeMigrations([A]));
    await ask(
      url,
      `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not recorded'; END $$`,
    );
    await ask(
      url,
      `CREATE TRIGGER refuse BEFORE INSERT ON drizzle.__drizzle_migrations
       FOR EACH ROW EXECUTE FUNCTION refuse()`,
    );
    expect(await refusalOf([A, singly])).toMatch(
      /^The migrations could not be recorded .*: not recorded\. Committed and kept: statements 1 to 3 of 0002_singly; nothing else was changed\. /,
    );
    await ask(url, 'DROP TRIGGER refuse ON drizzle.__drizzle_migrations');
    expect(await migrate(url, writeMigrations([A, singly]))).toBe(1);
  });

  it('names the index that it could not remove after a failure, and makes it anew in the next run', async () => {
    await migrate(url, writeMigrations([A]));
    const impatient = sql.replace(
      'CREATE',
      `SET lock_timeout = '100ms';\n--> statement-breakpoint\nCREATE`,
    );
    const migrations = [A, madeUp(2, impatient, 'impatient')];
    await withConnection(url, async (writer) => {
      await writer.query('BEGIN; INSERT INTO a VALUES (1)');
      expect(await refusalOf(migrations)).toMatch(
        /failed at statement 2 of 4, .* Committed and kept: statements 1 to 1 of 0002_impatient, the unfinished index public\.i, which the next run makes anew; nothing else was changed\. /,
      );
      expect(await indexes()).toStrictEqual([{ name: 'i', valid: false }]);
    });
    expect(await migrate(url, writeMigrations(migrations))).toBe(1);
    expect(await indexes()).toStrictEqual([{ name: 'u', valid: true }]);
  });
});
