import { readMigrationFiles } from 'drizzle-orm/migrator';
import type { MigrationMeta } from 'drizzle-orm/migrator';
import { Client } from 'pg';
import type { ClientConfig } from 'pg';

/** The database and the migrations in this release do not fit together. */
export class MigrationError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'MigrationError';
  }
}

interface AppliedMigration {
  hash: string;
  createdAt: number;
}

export interface MigrationState {
  applied: number;
  pending: number;
  /** Plain sentences; empty where database and code fit. */
  problems: readonly string[];
}

/** Any 64-bit number does, as long as every release uses the same: 'gatehous' in ASCII. */
const LOCK_KEY = '7449363237540164979';
const LOCK_WAIT_MS = 60_000;

/** Drizzle's own table, so that its tools still read it. */
const CREATE_TABLE = [
  'CREATE SCHEMA IF NOT EXISTS drizzle',
  `CREATE TABLE IF NOT EXISTS drizzle.__drizzle_migrations (
     id serial PRIMARY KEY, hash text NOT NULL, created_at bigint)`,
];

async function readApplied(client: Client): Promise<AppliedMigration[]> {
  const { rows } = await client.query<{ hash: string; created_at: string }>(
    'SELECT hash, created_at FROM drizzle.__drizzle_migrations ORDER BY created_at',
  );
  return rows.map((row) => ({ hash: row.hash, createdAt: Number(row.created_at) }));
}

/** Drizzle looks only at the newest timestamp; this compares both lists whole, hashes too. */
function compare(journal: MigrationMeta[], applied: AppliedMigration[]): MigrationState {
  const problems: string[] = [];
  const known = new Map(journal.map((migration) => [migration.folderMillis, migration]));
  const done = new Set(applied.map((row) => row.createdAt));
  const newest = Math.max(0, ...done);
  for (const row of applied) {
    const migration = known.get(row.createdAt);
    if (!migration) {
      problems.push(
        `The database holds a migration of ${new Date(row.createdAt).toISOString()} that this release does not know: it was migrated by a newer release.`,
      );
    } else if (migration.hash !== row.hash) {
      problems.push(
        `The migration of ${new Date(row.createdAt).toISOString()} was edited after it was applied.`,
      );
    }
  }
  const pending = journal.filter((migration) => !done.has(migration.folderMillis));
  for (const late of pending.filter((migration) => migration.folderMillis < newest)) {
    problems.push(
      `The migration of ${new Date(late.folderMillis).toISOString()} is older than the newest one applied and would be skipped in silence: give it a new timestamp.`,
    );
  }
  return { applied: applied.length, pending: pending.length, problems };
}

async function applyPending(
  client: Client,
  journal: MigrationMeta[],
  applied: AppliedMigration[],
): Promise<number> {
  const done = new Set(applied.map((row) => row.createdAt));
  const pending = journal.filter((migration) => !done.has(migration.folderMillis));
  for (const migration of pending) {
    for (const statement of migration.sql) await client.query(statement);
    await client.query(
      'INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ($1, $2)',
      [migration.hash, migration.folderMillis],
    );
  }
  return pending.length;
}

async function migrateLocked(client: Client, journal: MigrationMeta[]): Promise<number> {
  await client.query('BEGIN');
  try {
    // Transaction-scoped, so that it also holds behind a pooler, and ends with the connection.
    await client.query(`SET LOCAL lock_timeout = ${LOCK_WAIT_MS}`);
    await client.query('SELECT pg_advisory_xact_lock($1)', [LOCK_KEY]);
    for (const statement of CREATE_TABLE) await client.query(statement);
    const applied = await readApplied(client);
    const { problems } = compare(journal, applied);
    if (problems.length > 0) throw new MigrationError(problems.join('\n'));
    const count = await applyPending(client, journal, applied);
    await client.query('COMMIT');
    return count;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

async function withClient<T>(
  url: string,
  work: (client: Client) => Promise<T>,
  limits: Pick<ClientConfig, 'query_timeout'> = {},
): Promise<T> {
  const client = new Client({
    connectionString: url,
    application_name: 'gatehouse-migrate',
    connectionTimeoutMillis: 10_000,
    ...limits,
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

/**
 * Applies every pending migration in one transaction, under an advisory lock: any number of processes may
 * call this at once, one does the work, the others wait for it (60 s at most).
 * @param url the database
 * @param migrationsFolder drizzle-kit's output
 * @returns how many migrations this call applied
 * @throws MigrationError where the database is newer than the code, or a migration is late or was edited
 */
export async function migrate(url: string, migrationsFolder: string): Promise<number> {
  const journal = readMigrationFiles({ migrationsFolder });
  return withClient(url, (client) => migrateLocked(client, journal));
}

/**
 * Compares the applied migrations with the ones of this release, and changes nothing.
 * @returns the counts, and a plain sentence for each difference that a migration run could not settle
 */
export async function readMigrationState(
  url: string,
  migrationsFolder: string,
): Promise<MigrationState> {
  const journal = readMigrationFiles({ migrationsFolder });
  const look = async (client: Client) => {
    const { rows } = await client.query<{ found: boolean }>(
      `SELECT to_regclass('drizzle.__drizzle_migrations') IS NOT NULL AS found`,
    );
    return compare(journal, rows[0]?.found ? await readApplied(client) : []);
  };
  return withClient(url, look, { query_timeout: 10_000 });
}
