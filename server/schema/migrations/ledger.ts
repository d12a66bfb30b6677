import type { Connection } from './clients';
import type { Migration } from './readMigrations';
import { SOMEBODY_MIGRATES } from './runLock';

/** A row of drizzle's own table. A column that was added later is null in older rows. */
export interface LedgerRow {
  created_at: number | null;
  hash: string;
  tag?: string | null;
}

/** A migration of single statements that was begun and is not recorded as applied. */
export interface UnfinishedMigration {
  /** The migration's time, which also identifies it in drizzle's table. */
  created_at: number;
  tag: string;
  hash: string;
  /** How many statements are finished. */
  done: number;
  /** The number of the running statement, from 1; null between two statements. */
  statement: number | null;
}

export interface Ledger {
  applied: LedgerRow[];
  unfinished: UnfinishedMigration[];
  /** Whether some process migrates now. It is then working on the unfinished migrations. */
  running: boolean;
}

const APPLIED = 'drizzle.__drizzle_migrations';
const UNFINISHED = 'drizzle.gatehouse_interrupted_migrations';

const EXTRA_COLUMNS = {
  tag: 'text',
  applied_at: 'timestamptz',
  duration_ms: 'integer',
  code_version: 'text',
  applied_by: 'text',
  database_user: 'text',
};

// The conversion to jsonb lets columns that do not exist yet read as undefined.
const rowsOf = (table: string) =>
  `(SELECT coalesce(jsonb_agg(to_jsonb(r) ORDER BY r.created_at NULLS FIRST), '[]') FROM ${table} r)`;

const query = (applied: string, unfinished: string) =>
  `SELECT applied, unfinished, CASE WHEN unfinished = '[]' THEN false ELSE ${SOMEBODY_MIGRATES} END AS running
   FROM (SELECT ${applied} AS applied, ${unfinished} AS unfinished OFFSET 0) AS ledger`;

const isMissingTable = (error: unknown) =>
  error instanceof Error && 'code' in error && error.code === '42P01';

/**
 * Reads the applied and the unfinished migrations. It takes one query, and more if a table is
 * missing.
 * @param settings `SET LOCAL` statements for the query, such as how long it waits for locked tables
 * @throws the driver's error
 */
export async function readLedger(client: Connection, settings = ''): Promise<Ledger> {
  const read = async (applied: string, unfinished: string) => {
    // Statements that are sent together share a transaction, and each has a result.
    const text = [settings, query(applied, unfinished)].filter(Boolean).join('; ');
    const results = [await client.query<Ledger>(text)].flat();
    return results.at(-1)?.rows[0] as Ledger;
  };
  try {
    return await read(rowsOf(APPLIED), rowsOf(UNFINISHED));
  } catch (error) {
    if (!isMissingTable(error)) throw error;
  }
  const { rows } = await client.query<{ applied: boolean; unfinished: boolean }>(
    `SELECT to_regclass('${APPLIED}') IS NOT NULL AS applied, to_regclass('${UNFINISHED}') IS NOT NULL AS unfinished`,
  );
  const none = `'[]'::jsonb`;
  return read(
    rows[0]?.applied ? rowsOf(APPLIED) : none,
    rows[0]?.unfinished ? rowsOf(UNFINISHED) : none,
  );
}

interface LedgerParts {
  schema: boolean;
  applied: boolean;
  unfinished: boolean;
}

async function findParts(client: Connection): Promise<LedgerParts> {
  const { rows } = await client.query<LedgerParts>(
    `SELECT to_regnamespace('drizzle') IS NOT NULL AS schema,
       (SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass('${APPLIED}')
          AND attname = ANY ($1) AND NOT attisdropped) = cardinality($1) AS applied,
       to_regclass('${UNFINISHED}') IS NOT NULL AS unfinished`,
    [Object.keys(EXTRA_COLUMNS)],
  );
  return rows[0] ?? { schema: false, applied: false, unfinished: false };
}

/** Returns whether {@link ensureLedger} has nothing to do. */
export async function isLedgerComplete(client: Connection): Promise<boolean> {
  const { applied, unfinished } = await findParts(client);
  return applied && unfinished;
}

/**
 * Creates the missing parts of the ledger, in the caller's transaction. The ledger is drizzle's
 * table, so that drizzle's tools can still read it, with additional columns. If nothing is missing,
 * it takes no lock that blocks readers.
 */
export async function ensureLedger(client: Connection): Promise<void> {
  const there = await findParts(client);
  // IF NOT EXISTS would need the privilege to create even if there is nothing to do.
  if (!there.schema) await client.query('CREATE SCHEMA drizzle');
  if (!there.applied) {
    await client.query(
      `CREATE TABLE IF NOT EXISTS ${APPLIED} (id serial PRIMARY KEY, hash text NOT NULL, created_at bigint)`,
    );
    const columns = Object.entries(EXTRA_COLUMNS);
    const add = columns.map(([name, type]) => `ADD COLUMN IF NOT EXISTS ${name} ${type}`);
    await client.query(`ALTER TABLE ${APPLIED} ${add.join(', ')}`);
  }
  if (!there.unfinished) {
    await client.query(
      `CREATE TABLE ${UNFINISHED} (
         created_at bigint PRIMARY KEY, tag text NOT NULL, hash text NOT NULL,
         done integer NOT NULL DEFAULT 0, statement integer,
         started_at timestamptz NOT NULL DEFAULT now(), applied_by text)`,
    );
  }
}

/** The release and the person or program that run the migrations, as far as known. */
export interface Provenance {
  codeVersion: string | null;
  appliedBy: string | null;
}

/** Records a migration as applied, and as no longer unfinished. */
export async function recordApplied(
  client: Connection,
  { tag, hash, when }: Migration,
  durationMs: number,
  { codeVersion, appliedBy }: Provenance,
): Promise<void> {
  await client.query(
    `INSERT INTO ${APPLIED}
       (hash, created_at, tag, applied_at, duration_ms, code_version, applied_by, database_user)
     VALUES ($1, $2, $3, clock_timestamp(), $4, $5, $6, session_user)`,
    [hash, when, tag, durationMs, codeVersion, appliedBy],
  );
  await client.query(`DELETE FROM ${UNFINISHED} WHERE created_at = $1`, [when]);
}

/** Records that a migration of single statements has begun, unless it was recorded before. */
export async function recordBegun(
  client: Connection,
  { tag, hash, when }: Migration,
  { appliedBy }: Provenance,
): Promise<void> {
  await client.query(
    `INSERT INTO ${UNFINISHED} (created_at, tag, hash, applied_by) VALUES ($1, $2, $3, $4)
     ON CONFLICT (created_at) DO NOTHING`,
    [when, tag, hash, appliedBy],
  );
}

/**
 * Records the progress of a migration of single statements.
 * @param done how many statements are finished
 * @param statement the number of the statement that begins now; null if none does
 */
export async function recordProgress(
  client: Connection,
  { when }: Migration,
  done: number,
  statement: number | null,
): Promise<void> {
  await client.query(`UPDATE ${UNFINISHED} SET done = $2, statement = $3 WHERE created_at = $1`, [
    when,
    done,
    statement,
  ]);
}

/** Forgets a migration of single statements that left nothing in the database. */
export async function forgetBegun(client: Connection, { when }: Migration): Promise<void> {
  await client.query(`DELETE FROM ${UNFINISHED} WHERE created_at = $1`, [when]);
}

/** The statements by which an operator resolves a problem that a run cannot. */
export const settleByHand = (when: number) => ({
  forgetApplied: `\`DELETE FROM ${APPLIED} WHERE created_at = ${when}\``,
  forgetBegun: `\`DELETE FROM ${UNFINISHED} WHERE created_at = ${when}\``,
  setDone: (done: number) =>
    `\`UPDATE ${UNFINISHED} SET done = ${done}, statement = NULL WHERE created_at = ${when}\``,
});
