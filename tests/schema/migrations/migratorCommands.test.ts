import { ask, withConnection } from '../../helpers/database/askDatabase';
import { readMigrations } from '../../helpers/database/migrationsFolder';
import { MIGRATION_LOCK } from '../../helpers/database/migrator';
import { operate } from '../../helpers/server/operatorCommand';
import { pollUntil } from '../../helpers/time/pollUntil';
import { externalEnv } from '../../helpers/server/serverProcess';
import { createTestDatabase } from '../../helpers/database/testDatabase';

const TAGS = readMigrations().map(({ tag }) => tag);

let url: string;
let drop: () => Promise<void>;

beforeEach(async () => {
  ({ url, drop } = await createTestDatabase('template1'));
});
afterEach(() => drop());

const db = (word: string, env: NodeJS.ProcessEnv = {}) =>
  operate({ ...externalEnv(url), ...env }, ['db', word]);

describe('db pending', () => {
  it('names what would run, changes nothing and exits 0', async () => {
    const { code, stdout, stderr } = await db('pending');
    expect({ code, stderr }).toStrictEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toStrictEqual({ count: TAGS.length, pending: TAGS, problems: [] });
    expect(await ask(url, `SELECT FROM pg_namespace WHERE nspname = 'drizzle'`)).toHaveLength(0);
  });
});

describe('db migrate', () => {
  it('prints what it applied, and records the release and who ran it', async () => {
    const { code, stdout } = await db('migrate', { MIGRATED_BY: 'the pipeline', RELEASE: 'abc' });
    const result = JSON.parse(stdout);
    expect({ code, ...result }).toStrictEqual({
      code: 0,
      addresses: { changed: 0, left: 0 },
      applied: TAGS.length,
      migrations: TAGS.map((tag) => ({ tag, durationMs: expect.any(Number) })),
    });
    const recorded = await ask<{ by: string; version: string; same: boolean }>(
      url,
      `SELECT applied_by AS by, code_version AS version,
         (SELECT count(DISTINCT correlation_id) = 1 FROM audit_logs) AS same
       FROM drizzle.__drizzle_migrations GROUP BY 1, 2`,
    );
    expect(recorded).toStrictEqual([
      { by: 'the pipeline', version: expect.stringMatching(/^\d+\.\d+\.\d+\+abc$/), same: true },
    ]);
    expect(JSON.parse((await db('migrate')).stdout)).toStrictEqual({
      addresses: { changed: 0, left: 0 },
      applied: 0,
      migrations: [],
    });
  });

  it('says on stderr for whom it waits', async () => {
    await withConnection(url, async (holder) => {
      await holder.query(`SET application_name = 'the other one'`);
      await holder.query(`BEGIN; SELECT pg_advisory_xact_lock(${MIGRATION_LOCK})`);
      const migrated = db('migrate');
      await pollUntil(
        'it has asked for the lock',
        () =>
          ask(
            url,
            `SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle'
               AND application_name LIKE 'gatehouse-migrate %' AND query LIKE '%pg_stat_activity%'`,
          ),
        (rows) => rows.length > 0,
      );
      await holder.query('COMMIT');
      const { code, stderr } = await migrated;
      expect(code).toBe(0);
      expect(stderr).toMatch(/^Waiting for another process .*'the other one'.*\.\n$/);
    });
  });

  it('says in plain sentences why it refuses', async () => {
    await db('migrate');
    await ask(url, `UPDATE drizzle.__drizzle_migrations SET hash = 'x' WHERE tag = '${TAGS[1]}'`);
    const { code, stdout, stderr } = await db('migrate');
    expect({ code, stdout }).toStrictEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(
      new RegExp(`^The migration ${TAGS[1]} was edited after it was applied\\. `),
    );
    expect(stderr).not.toMatch(/\n\s+at /);
  });
});
