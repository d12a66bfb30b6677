import { drizzle } from 'drizzle-orm/node-postgres';
import type { NodePgDatabase } from 'drizzle-orm/node-postgres';
import type { Socket } from 'node:net';
import { Pool } from 'pg';
import type { ClientConfig, PoolClient, PoolConfig, QueryResultRow } from 'pg';
import { ConfigError, loadConfig } from '../config';
import { afterHearingNothing } from './heardTime';
import { OPTIONS, RoutedClient } from './routedClient';
import * as schema from './schema';

export type Db = NodePgDatabase<typeof schema>;
/** A handle inside a transaction. It fits where a Db is asked for; a Db never fits where a Tx is. */
export type Tx = Parameters<Parameters<Db['transaction']>[0]>[0];

export interface ConnectOptions {
  url: string;
  poolSize: number;
  /** Milliseconds a caller waits for a connection, a new one or one that others use. 3000 unless given. */
  waitMs?: number;
  /** Milliseconds after which Postgres cancels a statement. */
  statementTimeoutMs: number;
  /**
   * Kept open and without a limit on waiting for a connection, other than the database's silence: for few callers who must
   * not be refused because this process is busy.
   */
  reserved?: boolean;
  /** Told of errors on idle connections, which would otherwise end the process. */
  onIdleError?: (error: Error) => void;
}

export interface Database {
  db: Db;
  pool: Pool;
  close(): Promise<void>;
}

/** Postgres cancels what takes too long; only one that has fallen silent lets this pass as well. */
const SILENCE_GRACE_MS = 2000;

/**
 * A connection that breaks in somebody's hands would end the process, since the pool listens to idle ones
 * alone; and where it broke before a transaction began, Drizzle would never give it back.
 */
function guardConnections(pool: Pool, silenceMs: number): void {
  const held = new WeakSet<PoolClient>();
  pool.on('acquire', (client) => void held.add(client));
  pool.on('release', (_error, client) => void held.delete(client));
  pool.on('connect', (client) => {
    client.on('error', (error) => {
      if (!held.has(client)) return;
      client.release(error);
      // Whoever holds it may still give it back.
      client.release = () => undefined;
    });
    boundStatements(client, silenceMs);
  });
}

/** The driver replaces the socket if the connection becomes encrypted: it is looked up at the last moment. */
function breakOff(client: object): void {
  const { stream } = (client as { connection: { stream: Socket } }).connection;
  stream.destroy(new Error('Connection terminated: the database is silent'));
}

/** How long a database may say nothing while a reserved connection is being opened. */
const OPENING_MS = 3000;

/** Gives up opening a connection after a silence, never because the event loop was busy. It is opened as soon as it is made. */
class ReservedClient extends RoutedClient {
  constructor(config?: string | ClientConfig) {
    super(config);
    const stop = afterHearingNothing(OPENING_MS, () => breakOff(this));
    this.once('connect', stop);
    this.once('end', stop);
  }
}

/** Hangs up on a server that has not answered a statement in time. Streams, such as COPY, are not bounded. */
function boundStatements(client: PoolClient, silenceMs: number): void {
  const query = client.query.bind(client) as (...args: unknown[]) => unknown;
  const hangUp = () => breakOff(client);
  const bounded = (...args: unknown[]): unknown => {
    const stop = afterHearingNothing(silenceMs, hangUp);
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
 * Opens a pool; nothing is sent before the first query.
 * @returns the Drizzle handle, the pool beneath it for prepared hot statements, and how to close both
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
    // Planning for one row at a time: JIT compilation costs more than it ever gives back here.
    options: OPTIONS,
  });
  const ending = { begun: false };
  pool.on('error', (error) => {
    // A pool that is ending says goodbye to a server that may be gone before it has heard it.
    if (!ending.begun) options.onIdleError?.(error);
  });
  guardConnections(pool, options.statementTimeoutMs + SILENCE_GRACE_MS);
  const close = () => {
    if (ending.begun) return Promise.resolve();
    ending.begun = true;
    return pool.end();
  };
  return { db: drizzle(pool, { schema }), pool, close };
}

/** A statement that each connection parses and plans once; `name` is its identity there. */
export interface PreparedStatement {
  readonly name: string;
  readonly text: string;
}

/** Where prepared statements run: the pool, or one client of it. */
export interface PreparedRunner {
  query<Row extends QueryResultRow>(query: {
    name: string;
    text: string;
    values: unknown[];
  }): Promise<{ rows: Row[] }>;
}

/**
 * Runs a hot statement as a named prepared statement, past the query builder: building the SQL costs more
 * than Postgres needs to run it.
 * @throws the driver's error, unwrapped
 */
export async function runPrepared<Row extends QueryResultRow>(
  runner: PreparedRunner,
  statement: PreparedStatement,
  values: unknown[],
): Promise<Row[]> {
  const result = await runner.query<Row>({ ...statement, values });
  return result.rows;
}

let shared: Database | undefined;

function openShared(): Database {
  const { databaseUrl: url, databaseWaitMs: waitMs } = loadConfig();
  if (url === undefined) throw new ConfigError(['DATABASE_URL is missing.']);
  return connect({ url, poolSize: 4, waitMs, statementTimeoutMs: 30_000 });
}

/**
 * The handle for tests and scripts, opened on the environment's database at first use. The server itself
 * is given its handle by `deps.ts`.
 */
export const db: Db = new Proxy({} as Db, {
  get(_target, property) {
    shared ??= openShared();
    const value: unknown = Reflect.get(shared.db, property);
    return typeof value === 'function' ? (value.bind(shared.db) as unknown) : value;
  },
});

/** Closes the shared handle, if it was ever opened. */
export async function closeSharedDb(): Promise<void> {
  const open = shared;
  shared = undefined;
  await open?.close();
}
