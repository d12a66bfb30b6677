import { sql } from 'drizzle-orm';
import { REQUIRED_TABLES, schemaHealthCheck } from '@/server/schema/guard/checkSchemaHealth';
import { connect, db } from '@/server/db';
import type { Db } from '@/server/db';
import { withoutTable } from '../../helpers/database/authRows';
import { closeLater } from '../../helpers/server/closing';

/** Returns a handle on a database that does not answer. */
function unreachable(): Db {
  const { db: nowhere, close } = connect({
    url: 'postgres://u:p@127.0.0.1:1/x',
    poolSize: 1,
    statementTimeoutMs: 1000,
  });
  closeLater(close);
  return nowhere;
}

describe('schemaHealthCheck', () => {
  it('finds nothing missing in a migrated database', async () => {
    expect(await schemaHealthCheck()).toStrictEqual({ ok: true, missing: [] });
  });

  it('requires every table there is, the four of the founding incident among them', async () => {
    const { rows } = await db.execute<{ name: string }>(
      sql`SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1`,
    );
    const found = rows.map(({ name }) => name);
    const missing = found
      .filter((name) => !REQUIRED_TABLES.includes(name))
      .map((name) => `${name}: export it from server/db/schema/index.ts`);
    expect(missing).toStrictEqual([]);
    expect(found).toStrictEqual([...REQUIRED_TABLES]);
    expect(REQUIRED_TABLES).toEqual(
      expect.arrayContaining([
        'user_sessions',
        'refresh_tokens',
        'audit_logs',
        'step_up_challenges',
      ]),
    );
  });

  it.each(REQUIRED_TABLES)('names %s where it is missing, and nothing else', async (table) => {
    const health = await withoutTable(table, () => schemaHealthCheck());
    expect(health).toStrictEqual({ ok: false, missing: [table] });
    expect(await schemaHealthCheck()).toStrictEqual({ ok: true, missing: [] });
  });

  it('names several at once, in order', async () => {
    const health = await withoutTable('users', () =>
      withoutTable('known_devices', () => schemaHealthCheck()),
    );
    expect(health).toStrictEqual({ ok: false, missing: ['known_devices', 'users'] });
  });

  it('does not take a table of the same name in another schema for it', async () => {
    await db.execute(sql`CREATE SCHEMA other`);
    await db.execute(sql`CREATE TABLE other.known_countries (id int)`);
    const health = await withoutTable('known_countries', () => schemaHealthCheck());
    expect(health.missing).toStrictEqual(['known_countries']);
  });

  it('throws where it could not look: that is not the same as nothing missing', async () => {
    await expect(schemaHealthCheck(unreachable())).rejects.toThrow();
  });
});
