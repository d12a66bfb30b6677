import { Client } from 'pg';

/** Runs one statement on a connection of its own. */
export async function ask<Row extends object = Record<string, unknown>>(
  url: string,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  return withConnection(url, async (client) => (await client.query<Row>(text, values)).rows);
}

/**
 * Opens a connection for the time that `work` takes. A transaction that is still open is rolled
 * back.
 */
export async function withConnection<T>(
  url: string,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/**
 * Finds the sessions that wait for a lock. If there is one, a request is truly in the middle of its
 * work.
 */
export const WAITS_FOR_LOCK = `SELECT pid FROM pg_stat_activity
  WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()`;
