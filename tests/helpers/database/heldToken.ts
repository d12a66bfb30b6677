import { sql } from 'drizzle-orm';
import { Client } from 'pg';
import { db } from '@/server/db';
import { closeLater } from '../server/closing';
import { pollUntil } from '../time/pollUntil';

/**
 * Locks a refresh token's row, so that every request that changes it waits. With this, a test makes
 * two requests race on purpose.
 * @returns a function that releases the lock
 */
export async function holdToken(tokenId: string): Promise<() => Promise<void>> {
  const client = new Client({ connectionString: process.env['DATABASE_URL'] });
  await client.connect();
  let held = true;
  const letGo = async () => {
    if (!held) return;
    held = false;
    await client.query('COMMIT');
    await client.end();
  };
  // A test that fails in between never releases the lock itself.
  closeLater(letGo);
  await client.query('BEGIN');
  await client.query('SELECT 1 FROM refresh_tokens WHERE id = $1 FOR UPDATE', [tokenId]);
  return letGo;
}

/** Waits until that many connections to this file's database wait for a lock. */
export const untilWaiting = (connections: number) =>
  pollUntil(
    `${connections} connections that wait for a lock`,
    async () => {
      const { rows } = await db.execute<{ waiting: number }>(
        sql`SELECT count(*)::int AS waiting FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      return rows[0]?.waiting;
    },
    (waiting) => waiting === connections,
  );
