import { drizzle } from 'drizzle-orm/node-postgres';
import type { NodePgDatabase } from 'drizzle-orm/node-postgres';
import { Pool } from 'pg';
import type { QueryResultRow } from 'pg';
import { loadConfig, requireReady } from '../config';
import * as schema from './schema';

export type Db = NodePgDatabase<typeof schema>;
/** A handle inside a transaction. It fits where a Db is asked for; a Db never fits where a Tx is. */
export type Tx = Parameters<Parameters<Db['transaction']>[0]>[0];

export interface ConnectOptions {
  url: string;
  poolSize: number;
  /** Milliseconds after which Postgres cancels a statement. */
  statementTimeoutMs: number;
  /** Told of errors on idle connections, which would otherwise end the process. */
  onIdleError?: (error: Error) => void;
}

export interface Database {
  db: Db;
  pool: Pool;
  close(): Promise<void>;
}

/**
 * Opens a pool; nothing is sent before the first query.
 * @returns the Drizzle handle, the pool beneath it for prepared hot statements, and how to close both
 */
export function connect(options: ConnectOptions): Database {
  const pool = new Pool({
    connectionString: options.url,
    max: options.poolSize,
    connectionTimeoutMillis: 3000,
    idleTimeoutMillis: 30_000,
    allowExitOnIdle: true,
    keepAlive: true,
    application_name: 'gatehouse',
    statement_timeout: options.statementTimeoutMs,
    // Planning for one row at a time: JIT compilation costs more than it ever gives back here.
    options: '-c jit=off -c timezone=UTC',
  });
  pool.on('error', (error) => options.onIdleError?.(error));
  return { db: drizzle(pool, { schema }), pool, close: () => pool.end() };
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

/**
 * The handle for tests and scripts, opened on the environment's database at first use. The server itself
 * is given its handle by `deps.ts`.
 */
export const db: Db = new Proxy({} as Db, {
  get(_target, property) {
    shared ??= connect({
      url: requireReady(loadConfig()).databaseUrl,
      poolSize: 4,
      statementTimeoutMs: 30_000,
    });
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
