import { loadConfig, requireReady } from '@/server/config';
import { connect } from '@/server/db';
import { declareRoute, findRoute } from '@/server/db/databaseRoute';
import { closeLater } from '../helpers/server/closing';
import { startPgBouncer } from '../helpers/database/pgBouncer';
import type { BouncerSettings } from '../helpers/database/pgBouncer';
import { ask } from '../helpers/database/askDatabase';

const { databaseUrl } = requireReady(loadConfig());
const name = new URL(databaseUrl).pathname.slice(1);

const SETTINGS = `current_setting('statement_timeout') AS timeout, current_setting('idle_in_transaction_session_timeout') AS idle, current_setting('TimeZone') AS zone, current_setting('jit') AS jit`;
const OURS = { timeout: '777ms', idle: '15s', zone: 'UTC', jit: 'off' };

const open = (url: string) => {
  const database = connect({ url, poolSize: 5, statementTimeoutMs: 777 });
  closeLater(() => database.close());
  return database;
};

const PARAMETERS = 'statement_timeout,options,extra_float_digits';
const WAYS: [string, BouncerSettings, string][] = [
  ['session mode', { pool_mode: 'session' }, 'session'],
  [
    'session mode that ignores parameters',
    { pool_mode: 'session', ignore_startup_parameters: PARAMETERS },
    'session',
  ],
  ['transaction mode', { pool_mode: 'transaction' }, 'transaction'],
  [
    'transaction mode that ignores parameters',
    { pool_mode: 'transaction', ignore_startup_parameters: PARAMETERS },
    'transaction',
  ],
  [
    'transaction mode with one session',
    { pool_mode: 'transaction', default_pool_size: 1 },
    'transaction',
  ],
  [
    'transaction mode that takes sessions in turn',
    { pool_mode: 'transaction', server_round_robin: 1, min_pool_size: 5 },
    'transaction',
  ],
];

describe('the way to the database', () => {
  beforeAll(() => ask(databaseUrl, `ALTER DATABASE ${name} SET timezone = 'Asia/Tokyo'`));

  it('without a pooler is a session for each connection, with the limits', async () => {
    expect((await findRoute(databaseUrl)).mode).toBe('none');
    const { rows } = await open(databaseUrl).pool.query(`SELECT ${SETTINGS}`);
    expect(rows).toStrictEqual([OURS]);
  });

  it.each(WAYS)(
    'through PgBouncer in %s is recognised, and each statement has its limits, its zone and its answer',
    async (_what, settings, mode) => {
      const { url } = await startPgBouncer(databaseUrl, settings);
      expect((await findRoute(url)).mode).toBe(mode);
      const { pool, db } = open(url);
      const named = { name: 'a_name', text: `SELECT $1::int AS n, ${SETTINGS}` };
      const numbers = Array.from({ length: 60 }, (_, n) => n);
      const answers = await Promise.all(numbers.map((n) => pool.query({ ...named, values: [n] })));
      expect(answers.map(({ rows }) => rows[0])).toStrictEqual(
        numbers.map((n) => ({ n, ...OURS })),
      );
      const inside = await db.transaction((tx) => tx.execute(`SELECT ${SETTINGS}`));
      expect(inside.rows).toStrictEqual([OURS]);
      await expect(pool.query('SELECT pg_sleep(30)')).rejects.toMatchObject({ code: '57014' });
      await expect(db.transaction((tx) => tx.execute('SELECT pg_sleep(30)'))).rejects.toMatchObject(
        { cause: { code: '57014' } },
      );
    },
  );

  it('in transaction mode leaves nothing in a session, and takes its own lower limit before ours', async () => {
    const { url } = await startPgBouncer(databaseUrl, {
      pool_mode: 'transaction',
      default_pool_size: 1,
    });
    const { pool } = open(url);
    await pool.query({ name: 'left', text: 'SELECT $1::int', values: [1] });
    const [row] = await ask(
      url,
      `SELECT ${SETTINGS}, (SELECT count(*)::int FROM pg_prepared_statements) AS prepared`,
    );
    expect(row).toMatchObject({ timeout: '0', zone: 'Asia/Tokyo', prepared: 0 });
    const client = await pool.connect();
    await client.query('BEGIN READ ONLY; SET LOCAL statement_timeout = 50');
    const { rows } = await client.query(`SELECT current_setting('statement_timeout') AS timeout`);
    await client.query('COMMIT');
    client.release();
    expect(rows).toStrictEqual([{ timeout: '50ms' }]);
  });

  it('that was taken for direct and is not answers each statement all the same', async () => {
    const { url } = await startPgBouncer(databaseUrl, {
      pool_mode: 'transaction',
      ignore_startup_parameters: PARAMETERS,
    });
    declareRoute(url, 'none');
    const { pool } = open(url);
    const ask60 = (text: string, statement: string) =>
      Promise.all(
        Array.from({ length: 60 }, (_, n) => pool.query({ name: statement, text, values: [n] })),
      );
    for (const round of [1, 2, 3]) {
      const answers = await ask60('SELECT $1::int AS n', `name_${round}`);
      expect(answers.map(({ rows }) => (rows[0] as { n: number }).n)).toStrictEqual(
        Array.from({ length: 60 }, (_, n) => n),
      );
    }
    expect((await findRoute(url)).mode).toBe('transaction');
  });

  it('is refused in one sentence if PgBouncer pools statements', async () => {
    const { url } = await startPgBouncer(databaseUrl, { pool_mode: 'statement' });
    await expect(findRoute(url)).rejects.toThrow(
      /^The pooler .* pools single statements and refuses transactions: set its pool_mode to transaction or session\.$/,
    );
  });

  it('is refused in one sentence that names a parameter of DATABASE_URL which PgBouncer refuses', async () => {
    const { url } = await startPgBouncer(databaseUrl, { pool_mode: 'session' });
    await expect(findRoute(`${url}?options=-c%20jit%3Doff`)).rejects.toThrow(
      /^The pooler .* refuses the startup parameter options: remove it from DATABASE_URL, or add it to ignore_startup_parameters of the pooler\.$/,
    );
  });
});
