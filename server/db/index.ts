import { drizzle } from 'drizzle-orm/node-postgres';
import type { NodePgDatabase } from 'drizzle-orm/node-postgres';
import type { Socket } from 'node:net';
import { Pool } from 'pg';
import type { ClientConfig, PoolClient, PoolConfig, QueryResultRow } from 'pg';
import { ConfigError, loadConfig } from '../config';
import type { BypassName } from './schema/bypasses';
import { startReadTimeout } from './readTimeout';
import { OPTIONS, RoutedClient } from './routedClient';

export type Db = NodePgDatabase;
/** A handle inside a transaction. It can be used as a Db, but a Db cannot be used as a Tx. */
export type Tx = Parameters<Parameters<Db['transaction']>[0]>[0];

export interface ConnectOptions {
  url: string;
  poolSize: number;
  /**
   * How many milliseconds a caller waits for a connection, new or returned by another caller. The
   * default is 3000.
   */
  waitMs?: number;
  /** Milliseconds after which Postgres cancels a statement. */
  statementTimeoutMs: number;
  /**
   * Keeps the connections open, and sets no limit on waiting for one, except that the database must
   * answer. It is for a few callers that must not fail because this process is busy.
   */
  reserved?: boolean;
  /** Called for errors on idle connections, which would otherwise end the process. */
  onIdleError?: (error: Error) => void;
}

export interface Database {
  db: Db;
  pool: Pool;
  close(): Promise<void>;
}

/**
 * Postgres itself cancels a statement that takes too long. Only a server that no longer answers
 * exceeds this additional time.
 */
const SILENCE_GRACE_MS = 2000;

/**
 * The pool listens for errors only on idle connections, so an error on a connection in use would
 * end the process. And if a connection broke before a transaction began, Drizzle would never
 * release it.
 */
function guardConnections(pool: Pool, silenceMs: number): void {
  const held = new WeakSet<PoolClient>();
  pool.on('acquire', (client) => void held.add(client));
  pool.on('release', (_error, client) => void held.delete(client));
  pool.on('connect', (client) => {
    client.on('error', (error) => {
      if (!held.has(client)) return;
      client.release(error);
      // The holder may still try to release it.
      client.release = () => undefined;
    });
    boundStatements(client, silenceMs);
  });
}

/**
 * Destroys the socket. It looks the socket up now, because the driver replaces it when the
 * connection becomes encrypted.
 */
function breakOff(client: object): void {
  const { stream } = (client as { connection: { stream: Socket } }).connection;
  stream.destroy(new Error('Connection terminated: the database is silent'));
}

/** How long in milliseconds a database may stay silent while a reserved connection is opened. */
const OPENING_MS = 3000;

/**
 * Gives up opening a connection only after the database stayed silent, and never because the event
 * loop was busy. The time begins with the construction, since the pool connects at once.
 */
class ReservedClient extends RoutedClient {
  constructor(config?: string | ClientConfig) {
    super(config);
    const stop = startReadTimeout(OPENING_MS, () => breakOff(this));
    this.once('connect', stop);
    this.once('end', stop);
  }
}

/**
 * Disconnects from a server that has not answered a statement in time. Streams, such as COPY, have
 * no limit.
 */
function boundStatements(client: PoolClient, silenceMs: number): void {
  const query = client.query.bind(client) as (...args: unknown[]) => unknown;
  const hangUp = () => breakOff(client);
  const bounded = (...args: unknown[]): unknown => {
    const stop = startReadTimeout(silenceMs, hangUp);
    const callback = args.at(-1) as ((...answer: unknown[]) => void) | undefined;
    if (typeof callback === 'function') {
      const settled = (...answer: unknown[]) => {
        stop();
        callback(...answer);
      };
      return query(...args.slice(0, -1), settled);
    }
    const result = query(...args);
    if (result instanceof Promise) return result.finally(stop);
    stop();
    return result;
  };
  client.query = bounded as typeof client.query;
}

const WAIT_MS = 3000;
const SHARED: PoolConfig = {
  Client: RoutedClient,
  idleTimeoutMillis: 30_000,
};
const RESERVED: PoolConfig = {
  Client: ReservedClient,
  idleTimeoutMillis: 0,
};

/**
 * Opens a pool. Nothing is sent before the first query.
 * @returns the Drizzle handle, the pool beneath it for prepared hot statements, and a function that
 *   closes both
 */
export function connect(options: ConnectOptions): Database {
  const pool = new Pool({
    connectionString: options.url,
    max: options.poolSize,
    ...(options.reserved
      ? RESERVED
      : { ...SHARED, connectionTimeoutMillis: options.waitMs ?? WAIT_MS }),
    allowExitOnIdle: true,
    keepAlive: true,
    application_name: 'gatehouse',
    statement_timeout: options.statementTimeoutMs,
    // JIT compilation takes longer than it saves, because the statements read few rows.
    options: OPTIONS,
  });
  const ending = { begun: false };
  pool.on('error', (error) => {
    // A pool that is ending may still write to a server that is already gone.
    if (!ending.begun) options.onIdleError?.(error);
  });
  guardConnections(pool, options.statementTimeoutMs + SILENCE_GRACE_MS);
  const close = () => {
    if (ending.begun) return Promise.resolve();
    ending.begun = true;
    return pool.end();
  };
  // Without the schema: only `db.query` would need it, and every transaction would build that for all
  // tables.
  return { db: drizzle(pool), pool, close };
}

/** A statement that each connection parses and plans once; `name` identifies it there. */
export interface PreparedStatement {
  readonly name: string;
  readonly text: string;
  /** The bypass that it needs; `runWithin` opens it. */
  readonly bypass?: BypassName;
}

/** Runs prepared statements: the pool, or one client of it. */
export interface PreparedRunner {
  query<Row extends QueryResultRow>(query: {
    name: string;
    text: string;
    values: unknown[];
  }): Promise<{ rows: Row[] }>;
}

/**
 * Runs a hot statement as a named prepared statement, without the query builder. Building the SQL
 * takes longer than Postgres needs to run it.
 * @throws the driver's error, unwrapped
 */
export async function runPrepared<Row extends QueryResultRow>(
  runner: PreparedRunner,
  { name, text }: PreparedStatement,
  values: unknown[],
): Promise<Row[]> {
  const result = await runner.query<Row>({ name, text, values });
  return result.rows;
}

let shared: Database | undefined;

function openShared(): Database {
  const { databaseUrl: url, databaseWaitMs: waitMs } = loadConfig();
  if (url === undefined) throw new ConfigError(['DATABASE_URL is missing.']);
  return connect({ url, poolSize: 4, waitMs, statementTimeoutMs: 30_000 });
}

/**
 * The handle for tests and scripts. It opens the database of the environment at first use. The
 * server itself gets its handle from `deps.ts`.
 */
export const db: Db = new Proxy({} as Db, {
  get(_target, property) {
    shared ??= openShared();
    const value: unknown = Reflect.get(shared.db, property);
    return typeof value === 'function' ? (value.bind(shared.db) as unknown) : value;
  },
});

/** Closes the shared handle, if it was opened. */
export async function closeSharedDb(): Promise<void> {
  const open = shared;
  shared = undefined;
  await open?.close();
}
