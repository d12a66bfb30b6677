import type { Client } from 'pg';
import { migrate, readMigrationState } from '@/server/schema/migrations/migrate';
import { ask, withConnection } from '../../helpers/database/askDatabase';
import { madeUp, statements, writeMigrations } from '../../helpers/database/migrationsFolder';
import type { Migration } from '../../helpers/database/migrationsFolder';
import { startMigrator, terminate, waitingWorker } from '../../helpers/database/migrator';
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
const TOGETHER = [
  BASE,
  madeUp(2, 'CREATE TABLE before (id int)', 'before'),
  madeUp(3, statements('CREATE TABLE half (id int)', 'ALTER TABLE t ADD a int'), 'change'),
];
const INDEXES = statements(
  `${NONE}CREATE INDEX CONCURRENTLY IF NOT EXISTS first ON before (id)`,
  'CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS second ON "public"."t" (id)',
);
const SINGLY = [BASE, madeUp(2, 'CREATE TABLE before (id int)'), madeUp(3, INDEXES, 'indexes')];

const relations = async () =>
  (
    await ask<{ name: string }>(
      url,
      `SELECT relname || CASE WHEN NOT indisvalid THEN ' (invalid)' ELSE '' END AS name
       FROM pg_class LEFT JOIN pg_index ON indexrelid = pg_class.oid
       WHERE relnamespace = 'public'::regnamespace ORDER BY 1`,
    )
  ).map(({ name }) => name);

const problems = async (migrations: Migration[]) =>
  (await readMigrationState(url, writeMigrations(migrations))).problems;

const isGone = (pid: number) =>
  pollUntil(
    'the process of the database is gone',
    () => ask(url, 'SELECT FROM pg_stat_activity WHERE pid = $1', [pid]),
    (rows) => rows.length === 0,
  );

/** Uses table `t` in an open transaction, so that a migration of it stops in the middle. */
async function whileTableIsUsed<T>(work: (user: Client) => Promise<T>): Promise<T> {
  await migrate(url, writeMigrations([BASE]));
  return withConnection(url, async (user) => {
    await user.query('BEGIN; INSERT INTO t VALUES (1)');
    return work(user);
  });
}

/** @returns the database process that the killed migrator leaves behind, still waiting */
async function killInTheMiddle(migrations: Migration[]): Promise<number> {
  const migrator = startMigrator(url, writeMigrations(migrations));
  const worker = await waitingWorker(url);
  await migrator.kill();
  return worker;
}

describe('a process that is killed in the middle of a transaction', () => {
  it('leaves nothing, and the next run does all of it', async () => {
    await whileTableIsUsed(async (user) => {
      await killInTheMiddle(TOGETHER);
      await user.query('COMMIT');
    });
    const folder = writeMigrations(TOGETHER);
    expect(await relations()).toStrictEqual(['t']);
    expect(await readMigrationState(url, folder)).toMatchObject({ pending: 2, problems: [] });
    expect(await migrate(url, folder)).toBe(2);
    expect(await relations()).toStrictEqual(['before', 'half', 't']);
  });

  it('is not waited for: what it left at work in the database is ended by the next run', async () => {
    await whileTableIsUsed(async (user) => {
      const left = await killInTheMiddle(TOGETHER);
      const next = migrate(url, writeMigrations(TOGETHER));
      await isGone(left);
      expect(await waitingWorker(url)).not.toBe(left);
      await user.query('COMMIT');
      expect(await next).toBe(2);
    });
  });
});

describe('a process that is killed between single statements', () => {
  const finished = ['before', 'first', 'second', 't'];

  it('is reported as interrupted, and mended by the next run', async () => {
    await whileTableIsUsed(async (user) => {
      const left = await killInTheMiddle(SINGLY);
      expect(await relations()).toStrictEqual(['before', 'first', 'second (invalid)', 't']);
      expect(await problems(SINGLY)).toStrictEqual([
        {
          kind: 'interrupted',
          tag: '0003_indexes',
          message:
            'The migration 0003_indexes was interrupted after 1 of 2 statements: run `npm run admin -- db migrate`, which finishes it.',
        },
      ]);
      expect(
        await ask(url, 'SELECT applied_by AS by FROM drizzle.gatehouse_interrupted_migrations'),
      ).toStrictEqual([{ by: 'a process' }]);
      const next = migrate(url, writeMigrations(SINGLY));
      await isGone(left);
      await user.query('COMMIT');
      expect(await next).toBe(1);
    });
    expect(await relations()).toStrictEqual(finished);
    expect(await problems(SINGLY)).toStrictEqual([]);
  });

  it('is not called interrupted while it still runs', async () => {
    await whileTableIsUsed(async (user) => {
      const migrated = migrate(url, writeMigrations(SINGLY));
      await waitingWorker(url);
      const [row] = await ask(url, 'SELECT * FROM drizzle.gatehouse_interrupted_migrations');
      expect(row).toMatchObject({ tag: '0003_indexes', done: 1, statement: 2 });
      expect(await problems(SINGLY)).toStrictEqual([]);
      await user.query('COMMIT');
      await migrated;
    });
  });

  it('is not called interrupted where it ends while somebody looks', async () => {
    const folder = writeMigrations(SINGLY);
    await whileTableIsUsed(async (user) => {
      await terminate(url, await killInTheMiddle(SINGLY));
      await user.query('COMMIT');
    });
    await withConnection(url, async (client) => {
      const slow = {
        query: (async (...args: Parameters<Client['query']>) => {
          const seen: unknown = await Promise.resolve(client.query(...args));
          await migrate(url, folder);
          return seen;
        }) as Client['query'],
      };
      expect((await readMigrationState(slow, folder)).problems).toStrictEqual([]);
    });
  });

  it('is not finished with a file that was edited since, nor by a release that has not got it', async () => {
    await whileTableIsUsed(async (user) => {
      await terminate(url, await killInTheMiddle(SINGLY));
      await user.query('COMMIT');
    });
    const [one, two, three] = SINGLY as [Migration, Migration, Migration];
    const edited = [one, two, { ...three, sql: `${three.sql} -- edited` }];
    const refusal =
      /^The migration 0003_indexes was interrupted, with 1 of its statements finished, and edited since\. /;
    expect(await problems(edited)).toMatchObject([{ message: expect.stringMatching(refusal) }]);
    await expect(migrate(url, writeMigrations(edited))).rejects.toThrow(refusal);
    await expect(migrate(url, writeMigrations([one, two]))).rejects.toThrow(
      /^The migration 0003_indexes was interrupted, and this release does not have it: /,
    );
    expect(await relations()).toStrictEqual(['before', 'first', 'second (invalid)', 't']);
    const [, mend = ''] = /`(DELETE [^`]+)`/.exec((await problems(edited))[0]?.message ?? '') ?? [];
    await ask(url, mend);
    expect(await migrate(url, writeMigrations(edited))).toBe(1);
    expect(await relations()).toStrictEqual(finished);
  });

  it.each([
    ['ran', 2],
    ['did not run', 1],
  ])(
    'is named where its statement cannot run twice, and goes on when told that it %s',
    async (_what, choice) => {
      const sql = statements(
        `${NONE}CREATE TABLE IF NOT EXISTS a (id int)`,
        'ALTER TABLE t ADD once int',
        'CREATE TABLE IF NOT EXISTS b (id int)',
      );
      const migrations = [BASE, madeUp(2, sql, 'once')];
      const folder = writeMigrations(migrations);
      await whileTableIsUsed(async (user) => {
        const left = await killInTheMiddle(migrations);
        // This also stops the process that was left behind from finishing its work after a look.
        await expect(migrate(url, folder)).rejects.toThrow(/cannot simply run again/);
        await isGone(left);
        await user.query('COMMIT');
      });
      const { message = '' } = (await problems(migrations))[0] ?? {};
      expect(message).toMatch(
        /^The migration 0002_once was interrupted in statement 2, `ALTER TABLE t ADD once int`, which cannot simply run again\. /,
      );
      await expect(migrate(url, folder)).rejects.toThrow(message);
      const settle = [...message.matchAll(/`(UPDATE [^`]+)`/g)].map(([, text]) => text ?? '');
      expect(settle).toHaveLength(2);
      await ask(url, settle[2 - choice] ?? '');
      expect(await migrate(url, folder)).toBe(1);
      const columns = await ask(
        url,
        `SELECT FROM information_schema.columns WHERE column_name = 'once'`,
      );
      expect(columns).toHaveLength(choice === 2 ? 0 : 1);
      expect(await relations()).toStrictEqual(['a', 'b', 't']);
    },
  );
});

describe('a process that is killed while another one waits', () => {
  it.each([
    ['in a transaction', TOGETHER, ['before', 'half', 't'], 2],
    ['between single statements', SINGLY, ['before', 'first', 'second', 't'], 1],
  ])('%s is followed by that one, which does what is left', async (_what, all, whole, count) => {
    const folder = writeMigrations(all);
    await whileTableIsUsed(async (user) => {
      const migrator = startMigrator(url, folder);
      const left = await waitingWorker(url);
      let waits = 0;
      const next = migrate(url, folder, { onWait: () => (waits += 1) });
      await pollUntil('the next one waits', () => Promise.resolve(waits), Boolean);
      await migrator.kill();
      await isGone(left);
      await user.query('COMMIT');
      expect(await next).toBe(count);
    });
    expect(await relations()).toStrictEqual(whole);
    expect(await problems(all)).toStrictEqual([]);
  });
});

it('what is killed while it removes a broken index is not waited for either', async () => {
  await whileTableIsUsed(async (user) => {
    await terminate(url, await killInTheMiddle(SINGLY));
    const left = await killInTheMiddle(SINGLY);
    const [row] = await ask<{ query: string }>(
      url,
      'SELECT query FROM pg_stat_activity WHERE pid = $1',
      [left],
    );
    expect(row?.query).toMatch(/^DROP INDEX CONCURRENTLY /);
    const next = migrate(url, writeMigrations(SINGLY));
    await isGone(left);
    await user.query('COMMIT');
    expect(await next).toBe(1);
  });
  expect(await relations()).toStrictEqual(['before', 'first', 'second', 't']);
});

describe('a connection that is cut', () => {
  it.each([
    ['in a transaction leaves nothing of it', TOGETHER, ['t'], 2],
    [
      'between single statements is mended',
      SINGLY,
      ['before', 'first', 'second (invalid)', 't'],
      1,
    ],
  ])('%s, and the message says to run it again', async (_what, migrations, left, pending) => {
    const folder = writeMigrations(migrations);
    await whileTableIsUsed(async (user) => {
      const failed = migrate(url, folder).catch((error: unknown) => error);
      await terminate(url, await waitingWorker(url));
      expect(String(await failed)).toMatch(
        /^MigrationError: The connection to the database was lost in the migration 0003_\w+: .* Run `npm run admin -- db migrate` again, /,
      );
      await user.query('COMMIT');
    });
    expect(await relations()).toStrictEqual(left);
    expect(await migrate(url, folder)).toBe(pending);
    expect(await relations()).not.toContain('second (invalid)');
    expect(await problems(migrations)).toStrictEqual([]);
  });
});
