import { hostname } from 'node:os';
import { Client } from 'pg';
import type { ClientBase, ClientConfig } from 'pg';

/** A connection; a Pool does not fit, since what follows a BEGIN must stay on one. */
export type Connection = Pick<ClientBase, 'query'>;

/** Postgres keeps 63 bytes of an application's name. */
const NAME_BYTES = 63;

/** What the migrator's connections are called in `pg_stat_activity`, with more behind it. */
export const APPLICATION = 'gatehouse-migrate';

/** `gatehouse-migrate <version> <host>:<pid>`; version and host are cut, since the pid is what is looked for. */
export function applicationName(version: string | undefined): string {
  const start = `${APPLICATION} ${(version ?? 'unknown').slice(0, 20)} `;
  const end = `:${process.pid}`;
  return `${start}${hostname().slice(0, NAME_BYTES - start.length - end.length)}${end}`;
}

/** Opens a connection for as long as `work` takes. */
export async function withClient<T>(
  url: string,
  work: (client: Client) => Promise<T>,
  settings: Pick<ClientConfig, 'application_name' | 'query_timeout'> = {},
): Promise<T> {
  const client = new Client({
    connectionString: url,
    application_name: APPLICATION,
    connectionTimeoutMillis: 10_000,
    // A lock is held by a connection that says nothing while the work takes its time: some network gear
    // forgets such connections.
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    ...settings,
  });
  // A connection that breaks while idle is reported by the query that follows.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** What is answered from memory takes no longer, in milliseconds. */
export const ANSWER_MS = 10_000;

/** Gives up on a server, or a pooler, that does not answer; the connection is of no use after that. */
export const within = (ms: number, text: string, values?: unknown[]) => {
  const limits = { query_timeout: ms };
  return values === undefined ? { text, ...limits } : { text, values, ...limits };
};

/** No limit of the role or the database may end work that takes its time; `transaction_timeout` came with 17. */
const NO_LIMITS = `SELECT set_config(name, '0', true) FROM pg_settings
  WHERE name IN ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')`;

/**
 * A role whose search_path begins elsewhere would make the tables in another schema than the one the server and
 * its checks look at; pg_temp comes last, so that no temporary table can stand in for a real one.
 */
export const SEARCH_PATH = 'public, pg_temp';

/** Holds requests up for five seconds at most: they queue behind whoever queues for a table. */
const LOCK_TIMEOUT = '5s';

/** Begins a transaction whose isolation and limits are those that are needed here, whatever the role's defaults. */
export const BEGIN = `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; ${NO_LIMITS}`;

/** For one migration; it may set its own. */
export const MIGRATION_SETTINGS = `SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'; SET LOCAL statement_timeout = 0; SET LOCAL search_path = ${SEARCH_PATH}`;
