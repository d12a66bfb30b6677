import { Client } from 'pg';
import type { ReadyConfig } from '../config';

/** The prefix of the lock key of a tenant's place; the tenant's id, a space and the place's number follow. */
export const PLACE_KEY = 'gatehouse export ';

/**
 * Takes one of the places that a tenant has on all nodes together. A place is a lock in a separate transaction on a
 * separate connection, so a dead node gives its places back, also behind a pooler. The transaction has no snapshot
 * and holds up no VACUUM.
 * @returns a function that gives the place back; undefined if none is free
 * @throws the driver's error if the database is unreachable
 */
export async function lockTenantPlace(
  { databaseUrl, databaseWaitMs }: Pick<ReadyConfig, 'databaseUrl' | 'databaseWaitMs'>,
  tenantId: string,
  places: number,
): Promise<(() => Promise<void>) | undefined> {
  const client = new Client({
    connectionString: databaseUrl,
    application_name: 'gatehouse-export-place',
    connectionTimeoutMillis: databaseWaitMs,
    query_timeout: 10_000,
    keepAlive: true,
  });
  // If the connection breaks, the place is free again and the export goes on.
  client.on('error', () => undefined);
  const end = () => client.end().catch(() => undefined);
  try {
    await client.connect();
    await client.query('BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0');
    for (let place = 1; place <= places; place += 1) {
      const { rows } = await client.query<{ taken: boolean }>(
        'SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS taken',
        [`${PLACE_KEY}${tenantId} ${place}`],
      );
      if (rows[0]?.taken) {
        return async () => {
          await client.query('ROLLBACK').catch(() => undefined);
          await end();
        };
      }
    }
    await end();
    return undefined;
  } catch (error) {
    await end();
    throw error;
  }
}
