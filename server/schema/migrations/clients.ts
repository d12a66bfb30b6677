import { hostname } from 'node:os';
import { Client } from 'pg';
import type { ClientBase, ClientConfig } from 'pg';

/**
 * A single connection. A Pool does not fit, because all statements of a transaction must use the
 * same connection.
 */
export type Connection = Pick<ClientBase, 'query'>;

/** Postgres keeps 63 bytes of an application's name. */
const NAME_BYTES = 63;

/** The migrator's connections have this name in `pg_stat_activity`, with a suffix. */
export const APPLICATION = 'gatehouse-migrate';

/**
 * Returns `gatehouse-migrate <version> <host>:<pid>`. It shortens version and host, because the pid
 * is the most important part.
 */
export function applicationName(version: string | undefined): string {
  const start = `${APPLICATION} ${(version ?? 'unknown').slice(0, 20)} `;
  const end = `:${process.pid}`;
  return `${start}${hostname().slice(0, NAME_BYTES - start.length - end.length)}${end}`;
}

/** Opens a connection for the time that `work` takes. */
export async function withClient<T>(
  url: string,
  work: (client: Client) => Promise<T>,
  settings: Pick<ClientConfig, 'application_name' | 'query_timeout'> = {},
): Promise<T> {
  const client = new Client({
    connectionString: url,
    application_name: APPLICATION,
    connectionTimeoutMillis: 10_000,
    // The connection that holds the lock sends nothing while the work runs. Some network devices
    // drop such connections.
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    ...settings,
  });
  // A connection that breaks while idle is reported by the next query.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** How long, in milliseconds, a query may take that Postgres answers from memory. */
export const ANSWER_MS = 10_000;

/**
 * Gives up on a server or a pooler that does not answer. The connection cannot be used after that.
 */
export const within = (ms: number, text: string, values?: unknown[]) => {
  const limits = { query_timeout: ms };
  return values === undefined ? { text, ...limits } : { text, values, ...limits };
};

/**
 * Lifts the limits of the role and the database, which must not end long work.
 * `transaction_timeout` exists since Postgres 17.
 */
const NO_LIMITS = `SELECT set_config(name, '0', true) FROM pg_settings
  WHERE name IN ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')`;

/**
 * A role whose search_path begins with another schema would create the tables there, and the server
 * and its checks would not find them. pg_temp comes last, so that no temporary table can replace a
 * real one.
 */
export const SEARCH_PATH = 'public, pg_temp';

/**
 * Requests queue behind a statement that waits for a table. So such a statement waits five seconds
 * at most.
 */
const LOCK_TIMEOUT = '5s';

/**
 * Begins a transaction with the isolation and limits that a migration needs, regardless of the
 * role's defaults.
 */
export const BEGIN = `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; ${NO_LIMITS}`;

/** The settings for one migration, which may set its own. */
export const MIGRATION_SETTINGS = `SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'; SET LOCAL statement_timeout = 0; SET LOCAL search_path = ${SEARCH_PATH}`;
