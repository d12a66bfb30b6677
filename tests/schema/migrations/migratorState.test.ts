import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from 'pg';
import {
  isNewer,
  migrate,
  MigrationError,
  readMigrationState,
} from '@/server/schema/migrations/migrate';
import { prepareDatabase } from '@/server/bootstrap/prepareDatabase';
import { ask, withConnection } from '../../helpers/database/askDatabase';
import { madeUp, writeMigrations } from '../../helpers/database/migrationsFolder';
import type { Migration } from '../../helpers/database/migrationsFolder';
import { shortenTenSeconds } from '../../helpers/time/shortTimeouts';
import { createTestDatabase } from '../../helpers/database/testDatabase';

let url: string;
let drop: () => Promise<void>;

beforeEach(async () => {
  ({ url, drop } = await createTestDatabase('template1'));
});
afterEach(() => drop());

const [A, B, C] = [1, 2, 3].map((number) =>
  madeUp(number, `CREATE TABLE t${number} (id int)`, 'abc'[number - 1]),
) as [Migration, Migration, Migration];

const RUN = '`npm run admin -- db migrate`';

/** Expects the same problem from a look and from a run, which changes nothing. */
async function expectProblem(folder: string, kind: string, tag: string | undefined, says: RegExp) {
  const rows = () => ask(url, 'SELECT created_at FROM drizzle.__drizzle_migrations ORDER BY id');
  const before = await rows();
  const { problems } = await readMigrationState(url, folder);
  const named = tag === undefined ? {} : { tag };
  expect(problems).toStrictEqual([{ kind, ...named, message: expect.stringMatching(says) }]);
  const refusal: unknown = await migrate(url, folder).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(MigrationError);
  expect(refusal).toMatchObject({ message: problems[0]?.message, problems });
  expect(await rows()).toStrictEqual(before);
  return refusal;
}

describe('a database and a release that do not fit are told apart', () => {
  it('a newer release has migrated', async () => {
    await migrate(url, writeMigrations([A, B, C]));
    const says =
      /^The database holds the migration 0003_c, .* by a newer release\. Start that release, /;
    const refusal = await expectProblem(writeMigrations([A, B]), 'newer', '0003_c', says);
    expect(isNewer(refusal)).toBe(true);
  });

  it('a migration between others is not this release’s', async () => {
    await migrate(url, writeMigrations([A, B, C]));
    const says =
      /^The database holds the migration 0002_b, .* has newer ones: .* run `DELETE FROM \S+ WHERE created_at = \d+`\.$/;
    const folder = writeMigrations([A, C]);
    const refusal = await expectProblem(folder, 'unknown', '0002_b', says);
    expect(isNewer(refusal)).toBe(false);
    const [, mend = ''] = /`(DELETE [^`]+)`/.exec((refusal as Error).message) ?? [];
    await ask(url, mend);
    expect((await readMigrationState(url, folder)).problems).toStrictEqual([]);
  });

  it('one without a recorded name is told by its time', async () => {
    await migrate(url, writeMigrations([A, B]));
    await ask(url, 'UPDATE drizzle.__drizzle_migrations SET tag = NULL');
    const says = new RegExp(
      `^The database holds the migration of ${new Date(B.when).toISOString()} `,
    );
    await expectProblem(writeMigrations([A]), 'newer', undefined, says);
  });

  it('a migration was edited', async () => {
    await migrate(url, writeMigrations([A, B]));
    const edited = writeMigrations([A, { ...B, sql: `${B.sql} -- edited` }, C]);
    const says =
      /^The migration 0002_b was edited after it was applied\. Put 0002_b\.sql back as it was, .*`npm run schema -- generate --name what_changes`\.$/;
    await expectProblem(edited, 'edited', '0002_b', says);
  });

  it('a migration comes late, named with the one that overtook it', async () => {
    await migrate(url, writeMigrations([A, C]));
    await ask(url, 'UPDATE drizzle.__drizzle_migrations SET tag = NULL');
    const says =
      /^The migration 0002_b is older than the newest one applied, 0003_c, and would be skipped in silence\. .*`npm run schema -- generate --name what_changes`\.$/;
    await expectProblem(writeMigrations([A, B, C]), 'late', '0002_b', says);
  });

  it('all of it is said at once', async () => {
    await migrate(url, writeMigrations([A, C]));
    const folder = writeMigrations([{ ...A, sql: 'SELECT 1' }, B, C]);
    const { problems } = await readMigrationState(url, folder);
    expect(problems.map(({ kind }) => kind)).toStrictEqual(['edited', 'late']);
    const both = problems.map(({ message }) => message).join('\n');
    await expect(migrate(url, folder)).rejects.toThrow(both);
  });
});

describe('a folder that is not whole is refused before anything runs', () => {
  it.each([
    [
      'a file is missing',
      (folder: string) => rmSync(join(folder, '0002_b.sql')),
      /0002_b\.sql cannot be read\..*`npm run schema -- check`/,
    ],
    [
      'the journal is missing',
      (folder: string) => rmSync(join(folder, 'meta', '_journal.json')),
      /_journal\.json cannot be read\./,
    ],
    [
      'the journal is none',
      (folder: string) => writeFileSync(join(folder, 'meta', '_journal.json'), '{}'),
      /_journal\.json is not a journal of migrations: .*`npm run schema -- check`\.$/,
    ],
  ])('%s', async (_what, spoil, says) => {
    const folder = writeMigrations([A, B]);
    spoil(folder);
    await expect(migrate(url, folder)).rejects.toThrow(MigrationError);
    await expect(migrate(url, folder)).rejects.toThrow(says);
    expect(await ask(url, `SELECT FROM pg_namespace WHERE nspname = 'drizzle'`)).toHaveLength(0);
  });

  it('two migrations have one time, so that the second would count as applied', async () => {
    const folder = writeMigrations([A, { ...B, when: A.when }]);
    await expect(migrate(url, folder)).rejects.toThrow(
      /^The migrations 0001_a and 0002_b have the same time in the journal: /,
    );
  });
});

it('runs migrations by their time, also where the journal has another order', async () => {
  const add = { ...B, sql: 'ALTER TABLE t1 ADD b int' };
  expect(await migrate(url, writeMigrations([add, A]))).toBe(2);
});

describe('looking', () => {
  const counted = async (folder: string) =>
    withConnection(url, async (client) => {
      let queries = 0;
      const counting = {
        query: ((...args: Parameters<Client['query']>) => {
          queries += 1;
          return client.query(...args);
        }) as Client['query'],
      };
      const state = await readMigrationState(counting, folder);
      return { state, queries };
    });

  it('names what is pending, in order, and takes one query on the caller’s own connection', async () => {
    await migrate(url, writeMigrations([A]));
    expect(await counted(writeMigrations([A, B, C]))).toStrictEqual({
      state: { applied: 1, pending: 2, pendingTags: ['0002_b', '0003_c'], problems: [] },
      queries: 1,
    });
  });

  it('finds all pending in a database that was never migrated, and makes nothing', async () => {
    const { state } = await counted(writeMigrations([A, B]));
    expect(state).toStrictEqual({
      applied: 0,
      pending: 2,
      pendingTags: ['0001_a', '0002_b'],
      problems: [],
    });
    expect(await ask(url, `SELECT FROM pg_namespace WHERE nspname = 'drizzle'`)).toHaveLength(0);
  });

  it('reads what drizzle’s own migrator or an earlier release has recorded', async () => {
    await migrate(url, writeMigrations([A]));
    await ask(url, 'DROP TABLE drizzle.gatehouse_interrupted_migrations');
    await ask(url, 'ALTER TABLE drizzle.__drizzle_migrations DROP tag, DROP applied_at');
    const { state } = await counted(writeMigrations([A, B]));
    expect(state).toMatchObject({ applied: 1, pendingTags: ['0002_b'], problems: [] });
  });

  it('fails where it cannot look: that is not "nothing pending"', async () => {
    const role = `nobody_${Date.now()}`;
    await migrate(url, writeMigrations([A]));
    await withConnection(url, async (client) => {
      await client.query(`CREATE ROLE ${role}; SET ROLE ${role}`);
      await expect(readMigrationState(client, writeMigrations([A]))).rejects.toThrow(/denied/);
      await client.query(`RESET ROLE; DROP ROLE ${role}`);
    });
  });
});

describe('a server that may not migrate', () => {
  const prepare = (folder: string) =>
    prepareDatabase({
      databaseUrl: url,
      migrationsDir: folder,
      migrateOnBoot: false,
      version: '1.2.3',
      migratedBy: 'somebody',
    });

  it('refuses with the names of what is pending and the command that mends it', async () => {
    await migrate(url, writeMigrations([A]));
    const refusal: unknown = await prepare(writeMigrations([A, B, C])).catch((e: unknown) => e);
    const message = `Migrations are pending (2): run ${RUN}, which applies 0002_b, 0003_c, or set MIGRATE_ON_BOOT=true.`;
    expect(refusal).toMatchObject({ message, problems: [{ kind: 'pending', message }] });
    expect(await prepare(writeMigrations([A]))).toBe(0);
  });

  it('names the database that it cannot read in time, without its password', async () => {
    const folder = writeMigrations([A]);
    await migrate(url, folder);
    const { host, pathname, password } = new URL(url);
    await withConnection(url, async (other) => {
      await other.query('BEGIN; LOCK TABLE drizzle.__drizzle_migrations');
      const putBack = shortenTenSeconds();
      const refusal: unknown = await prepare(folder).catch((error: unknown) => error);
      putBack();
      expect(refusal).toMatchObject({
        message: `The database ${host}${pathname} does not answer in time: check its log, and the sessions that hold locks in it.`,
      });
      expect(password).not.toBe('');
      expect(String(refusal)).not.toContain(password);
    });
  });
});
