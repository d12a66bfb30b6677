import { migrate, MigrationError } from '@/server/schema/migrations/migrate';
import type { LockWait } from '@/server/schema/migrations/migrate';
import { assertRunLock, markAsWorking, takeRunLock } from '@/server/schema/migrations/runLock';
import { ask, withConnection } from '../../helpers/database/askDatabase';
import { madeUp, statements, writeMigrations } from '../../helpers/database/migrationsFolder';
import {
  lockHolder,
  MIGRATION_LOCK,
  terminate,
  waitingWorker,
} from '../../helpers/database/migrator';
import { pollUntil } from '../../helpers/time/pollUntil';
import { createTestDatabase } from '../../helpers/database/testDatabase';

let url: string;
let drop: () => Promise<void>;

beforeEach(async () => {
  ({ url, drop } = await createTestDatabase('template1'));
});
afterEach(() => drop());

const TABLE = madeUp(1, 'CREATE TABLE t (id int)');
const hold = `BEGIN; SELECT pg_advisory_xact_lock(${MIGRATION_LOCK})`;
const tables = async () =>
  (
    await ask<{ name: string }>(
      url,
      `SELECT relname AS name FROM pg_class
     WHERE relnamespace = 'public'::regnamespace ORDER BY 1`,
    )
  ).map(({ name }) => name);

const until = (what: string, holds: () => boolean) =>
  pollUntil(what, () => Promise.resolve(holds()), Boolean);

describe('while another process migrates', () => {
  it('says at once for whom it waits, and migrates when that one has finished', async () => {
    const waits: LockWait[] = [];
    await withConnection(url, async (holder) => {
      await holder.query(`SET application_name = 'the other one'`);
      const { rows } = await holder.query('SELECT pg_backend_pid() AS pid, session_user AS name');
      await holder.query(hold);
      const migrated = migrate(url, writeMigrations([TABLE]), {
        onWait: (wait) => waits.push(wait),
      });
      await until('it waits', () => waits.length > 0);
      expect(waits[0]?.holder).toStrictEqual({
        pid: rows[0].pid,
        user: rows[0].name,
        application: 'the other one',
        address: '127.0.0.1',
        since: expect.any(Date),
      });
      expect(waits[0]?.message).toMatch(
        /^Waiting for another process .* process \d+ .*'the other one'/,
      );
      expect(await tables()).toStrictEqual([]);
      await holder.query('COMMIT');
      expect(await migrated).toBe(1);
    });
    expect(waits).toHaveLength(1);
  });

  it('says so again every ten seconds', async () => {
    const clock = performance.now.bind(performance);
    // The clock runs twenty times as fast, so that ten seconds pass in half a second.
    const faster = jest.spyOn(performance, 'now').mockImplementation(() => clock() * 20);
    const waits: LockWait[] = [];
    await withConnection(url, async (holder) => {
      await holder.query(hold);
      const folder = writeMigrations([TABLE]);
      const migrated = migrate(url, folder, { onWait: (wait) => waits.push(wait) });
      await until('it has waited three times', () => waits.length >= 3);
      await holder.query('COMMIT');
      await migrated;
    });
    faster.mockRestore();
    const [first = 0, second = 0, third = 0] = waits.map(({ waitedMs }) => waitedMs);
    expect(second - first).toBeGreaterThanOrEqual(10_000);
    expect(third - second).toBeGreaterThanOrEqual(10_000);
  });

  it('gives up when its time is over, names the other one, and has changed nothing', async () => {
    await withConnection(url, async (holder) => {
      await holder.query(`SET application_name = 'the other one'`);
      await holder.query(hold);
      const refusal = await migrate(url, writeMigrations([TABLE]), { lockWaitMs: 300 }).catch(
        (error: unknown) => error,
      );
      expect(refusal).toBeInstanceOf(MigrationError);
      expect((refusal as Error).message).toMatch(
        /^Another process migrates this database and has not finished within \d+ s: process (\d+) of the database \(user \S+, application 'the other one', from 127\.0\.0\.1, since \S+Z\)\. Nothing was changed by this one\. .*`SELECT pg_terminate_backend\(\1\)`.* run `npm run admin -- db migrate`\.$/,
      );
    });
    expect(await ask(url, `SELECT FROM pg_namespace WHERE nspname = 'drizzle'`)).toHaveLength(0);
  });

  it('keeps an index that is built CONCURRENTLY from waiting for those who wait', async () => {
    await migrate(url, writeMigrations([TABLE]));
    const folder = writeMigrations([
      TABLE,
      madeUp(
        2,
        '-- gatehouse:transaction none\nCREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (id)',
      ),
    ]);
    await withConnection(url, async (reader) => {
      await reader.query('BEGIN; INSERT INTO t VALUES (1)');
      const first = migrate(url, folder);
      await waitingWorker(url);
      const holder = await lockHolder(url);
      expect(holder).toMatchObject({ state: 'idle in transaction', snapshot: null });
      expect(holder.name).toMatch(/^gatehouse-migrate unknown .+:\d+$/);
      let waits = 0;
      const second = migrate(url, folder, { onWait: () => (waits += 1) });
      await until('the second waits', () => waits > 0);
      await reader.query('COMMIT');
      expect(await Promise.all([first, second])).toStrictEqual([1, 0]);
    });
  });
});

describe('a record of migrations that somebody has locked', () => {
  it('ends the run after five seconds, with the name of who is in the way', async () => {
    await migrate(url, writeMigrations([TABLE]));
    await withConnection(url, async (other) => {
      await other.query(`SET application_name = 'a full vacuum'`);
      await other.query('BEGIN; LOCK TABLE drizzle.__drizzle_migrations');
      await expect(migrate(url, writeMigrations([TABLE]))).rejects.toThrow(
        /did not give it back in time\. .* application 'a full vacuum', .* which uses drizzle\.__drizzle_migrations\. Nothing was changed\. /,
      );
    });
    expect(await migrate(url, writeMigrations([TABLE]))).toBe(0);
  });
});

describe('a process that loses the lock', () => {
  it('commits nothing, since another one may have it', async () => {
    await migrate(url, writeMigrations([TABLE]));
    const folder = writeMigrations([
      TABLE,
      madeUp(2, 'CREATE TABLE half (id int);\n--> statement-breakpoint\nALTER TABLE t ADD a int'),
    ]);
    await withConnection(url, async (reader) => {
      await reader.query('BEGIN; SELECT FROM t');
      const migrated = migrate(url, folder).catch((error: unknown) => error);
      await waitingWorker(url);
      await terminate(url, (await lockHolder(url)).pid);
      await reader.query('COMMIT');
      expect(String(await migrated)).toMatch(
        /^MigrationError: The connection that holds the migration lock was lost, .* is undone\. Run `npm run admin -- db migrate` again\.$/,
      );
    });
    expect(await tables()).toStrictEqual(['t']);
    expect(await migrate(url, folder)).toBe(1);
  });

  it('begins none of the statements that commit by themselves', async () => {
    await migrate(url, writeMigrations([TABLE]));
    const index = (name: string) => `CREATE INDEX CONCURRENTLY IF NOT EXISTS ${name} ON t (id)`;
    const sql = statements(`-- gatehouse:transaction none\n${index('one')}`, index('two'));
    await withConnection(url, async (writer) => {
      await writer.query('BEGIN; INSERT INTO t VALUES (1)');
      const migrated = migrate(url, writeMigrations([TABLE, madeUp(2, sql)]));
      const outcome = expect(migrated).rejects.toThrow(
        /^The connection that holds the migration lock/,
      );
      await waitingWorker(url);
      await terminate(url, (await lockHolder(url)).pid);
      await writer.query('COMMIT');
      await outcome;
    });
    expect(await tables()).toStrictEqual(['one', 't']);
  });

  it('knows it also where its connection lives on', async () => {
    await withConnection(url, async (client) => {
      await takeRunLock(client, {});
      await assertRunLock(client);
      await client.query('ROLLBACK; BEGIN');
      await expect(assertRunLock(client)).rejects.toThrow(
        /^The connection that holds the migration lock/,
      );
    });
  });

  it('does not begin while another one is at work', async () => {
    await withConnection(url, (one) =>
      withConnection(url, async (other) => {
        await one.query('BEGIN');
        await markAsWorking(one);
        await other.query('BEGIN');
        await expect(markAsWorking(other)).rejects.toThrow(
          /^Another process is in the middle of a migration of this database: /,
        );
      }),
    );
  });

  it('is ended by the one that has it now', async () => {
    await migrate(url, writeMigrations([TABLE]));
    const folder = writeMigrations([TABLE, madeUp(2, 'ALTER TABLE t ADD a int')]);
    await withConnection(url, async (reader) => {
      await reader.query('BEGIN; SELECT FROM t');
      const first = migrate(url, folder).catch((error: unknown) => error);
      await waitingWorker(url);
      await terminate(url, (await lockHolder(url)).pid);
      const second = migrate(url, folder);
      expect(String(await first)).toMatch(
        /^MigrationError: The connection to the database was lost in the migration 0002_made_up: /,
      );
      await waitingWorker(url);
      await reader.query('COMMIT');
      expect(await second).toBe(1);
    });
  });
});

it('takes its two connections by a name that says which release, where, and which process', async () => {
  const folder = writeMigrations([
    madeUp(
      1,
      `CREATE TABLE names AS SELECT array_agg(application_name) AS names FROM pg_stat_activity
       WHERE datname = current_database() AND application_name LIKE 'gatehouse%'`,
    ),
  ]);
  await migrate(url, folder, { codeVersion: `1.2.3+${'f'.repeat(60)}` });
  const [row] = await ask<{ names: string[] }>(url, 'SELECT names FROM names');
  const named = new RegExp(`^gatehouse-migrate 1\\.2\\.3\\+f+ .*:${process.pid}$`);
  expect(row?.names).toStrictEqual([expect.stringMatching(named), expect.stringMatching(named)]);
  expect(row?.names[0]?.length).toBeLessThanOrEqual(63);
});
