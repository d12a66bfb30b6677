import { migrate } from '@/server/schema/migrations/migrate';
import { ask, withConnection } from '../../helpers/database/askDatabase';
import { madeUp, writeMigrations } from '../../helpers/database/migrationsFolder';
import { shortenTenSeconds } from '../../helpers/time/shortTimeouts';
import { createTestDatabase } from '../../helpers/database/testDatabase';
import { startTransactionPooler } from '../../helpers/database/transactionPooler';

let url: string;
let drop: () => Promise<void>;

beforeEach(async () => {
  ({ url, drop } = await createTestDatabase('template1'));
});
afterEach(() => drop());

const INDEX =
  '-- gatehouse:transaction none\nCREATE INDEX CONCURRENTLY IF NOT EXISTS i ON public.a (id)';
const FOLDER = [
  madeUp(1, 'CREATE TABLE a (id int)'),
  madeUp(2, INDEX),
  madeUp(3, 'CREATE TABLE c (id int)'),
];

const locks = () =>
  ask(
    url,
    `SELECT pid FROM pg_locks WHERE locktype = 'advisory'
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
  );

describe('behind a pooler that gives each transaction another session', () => {
  it('one of several processes migrates, the others wait, and no session keeps the lock', async () => {
    const pooled = await startTransactionPooler(url);
    const folder = writeMigrations(FOLDER);
    const counts = await Promise.all([1, 2, 3].map(() => migrate(pooled, folder)));
    expect(counts.sort()).toStrictEqual([0, 0, 3]);
    expect(await locks()).toStrictEqual([]);
    const indexes = await ask(
      url,
      `SELECT indisvalid AS valid FROM pg_index WHERE indexrelid = 'i'::regclass`,
    );
    expect(indexes).toStrictEqual([{ valid: true }]);
  });

  it('nothing is set in a session that the next client is given', async () => {
    const pooled = await startTransactionPooler(url, 2);
    const settings = () =>
      ask(
        pooled,
        `SELECT name, setting FROM pg_settings WHERE name ~ 'timeout|search_path|read_only' ORDER BY 1`,
      );
    const before = await settings();
    await migrate(pooled, writeMigrations(FOLDER));
    // Each of the two uses its own transaction.
    expect(await settings()).toStrictEqual(before);
    expect(await settings()).toStrictEqual(before);
  });

  it('the sessions are given back whole, not in the middle of a transaction', async () => {
    const pooled = await startTransactionPooler(url, 2);
    const sessions = async () => {
      const pids = new Set<number>();
      // The first two fill the pool, which then alternates.
      for (let turn = 0; turn < 3; turn += 1) {
        const [row] = await ask<{ pid: number }>(pooled, 'SELECT pg_backend_pid() AS pid');
        pids.add(row?.pid ?? 0);
      }
      return [...pids].sort();
    };
    const before = await sessions();
    await migrate(pooled, writeMigrations(FOLDER));
    expect(before).toHaveLength(2);
    expect(await sessions()).toStrictEqual(before);
  });

  it('a role whose tables would be made in another schema is told what to set', async () => {
    const name = new URL(url).pathname.slice(1);
    await ask(url, 'CREATE SCHEMA elsewhere');
    await ask(url, `ALTER DATABASE ${name} SET search_path = elsewhere, public`);
    const pooled = await startTransactionPooler(url);
    await expect(migrate(pooled, writeMigrations(FOLDER))).rejects.toThrow(
      /^Behind a pooler the role that migrates must have public first in its search_path: .*`ALTER ROLE … SET search_path = public`/,
    );
    expect(await locks()).toStrictEqual([]);
  });

  it('a pool of one session is named as what is in the way', async () => {
    const pooled = await startTransactionPooler(url, 1);
    const putBack = shortenTenSeconds();
    const refusal: unknown = await migrate(pooled, writeMigrations(FOLDER)).catch(
      (error: unknown) => error,
    );
    putBack();
    expect(String(refusal)).toMatch(
      /^MigrationError: The database did not answer on a second connection within 10 s: .* a pooler must have two /,
    );
    expect(await migrate(url, writeMigrations(FOLDER))).toBe(3);
  });

  it('a pool that has no session left is not waited for without end', async () => {
    const pooled = await startTransactionPooler(url, 1);
    await withConnection(pooled, async (other) => {
      await other.query('BEGIN');
      const putBack = shortenTenSeconds();
      const refusal: unknown = await migrate(pooled, writeMigrations(FOLDER), {
        lockWaitMs: 0,
      }).catch((error: unknown) => error);
      putBack();
      expect(String(refusal)).toMatch(/timeout/);
    });
  });
});
