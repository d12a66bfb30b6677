import type { Client } from 'pg';
import { inTransaction, record } from './applyTogether';
import { APPLICATION, SEARCH_PATH } from './clients';
import { StatementFailure } from './explainFailure';
import { forgetBegun, recordBegun, recordProgress } from './ledger';
import type { UnfinishedMigration } from './ledger';
import { MigrationError, MIGRATE_COMMAND } from './migrationError';
import type { Migration } from './readMigrations';
import type { BegunMigration, Run } from './migrationRun';
import { assertRunLock, endProcesses } from './runLock';
import { concurrentIndexOf, dropConcurrently } from './singleStatements';

/**
 * `CREATE INDEX CONCURRENTLY` waits for every transaction that began before it, but blocks nobody
 * who uses the table. So it may wait longer than a statement that requests queue behind.
 */
const PATIENCE = '5min';

/**
 * Prepares the session, because statements outside a transaction take their settings from it.
 * Behind a pooler, other clients would get the same session, so the settings of the role stay in
 * force there.
 */
async function prepareSession(worker: Client): Promise<void> {
  const { rows } = await worker.query<{ pid: number; schema: string | null }>(
    'SELECT pg_backend_pid() AS pid, current_schema() AS schema',
  );
  const session = rows[0];
  // A pooler gives its clients made-up process ids, which differ from the real one.
  if (session?.pid === (worker as { processID?: number }).processID) {
    await worker.query(
      `SET search_path = ${SEARCH_PATH}; SET statement_timeout = 0; SET lock_timeout = '${PATIENCE}'; SET default_transaction_read_only = off`,
    );
  } else if (session?.schema !== 'public') {
    throw new MigrationError(
      `Behind a pooler the role that migrates must have public first in its search_path: run \`ALTER ROLE … SET search_path = public\`, or migrate on a direct connection, then run ${MIGRATE_COMMAND}.`,
    );
  }
}

/**
 * Ends the statements that a killed process left running, because Postgres does not stop them. Such
 * a statement and the drop of its unfinished index would wait for each other.
 * @param worker a connection of the process that holds the migration lock
 */
export function endLeftoverStatements(worker: Client, { statements }: Migration): Promise<void> {
  const indexes = statements.map(concurrentIndexOf).filter((index) => index !== undefined);
  return endProcesses(
    worker,
    `SELECT pid FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active' AND query <> ''
       AND application_name LIKE '${APPLICATION}%'
       AND EXISTS (SELECT FROM unnest($1::text[]) AS own WHERE starts_with(own, query))`,
    [[...statements, ...indexes.map(dropConcurrently)]],
  );
}

/**
 * Drops the invalid index that an unfinished `CREATE INDEX CONCURRENTLY` leaves. Writes maintain
 * such an index, but no query uses it.
 */
async function dropInvalidIndex(worker: Client, index: string): Promise<void> {
  const { rowCount } = await worker.query(
    'SELECT FROM pg_index WHERE indexrelid = to_regclass($1) AND NOT (indisvalid AND indisready)',
    [index],
  );
  if (rowCount !== 0) await worker.query(dropConcurrently(index));
}

async function runStatement(
  { worker, holder }: Run,
  migration: Migration,
  at: number,
  begun: BegunMigration,
): Promise<void> {
  const statement = migration.statements[at] ?? '';
  const index = concurrentIndexOf(statement);
  // IF NOT EXISTS would accept an index that is invalid.
  if (index !== undefined) await dropInvalidIndex(worker, index);
  await assertRunLock(holder);
  await recordProgress(worker, migration, at, at + 1);
  try {
    await worker.query(statement);
  } catch (error) {
    await cleanUp(worker, migration, at, index).catch(() => {
      begun.brokenIndex = index;
    });
    throw error;
  }
  begun.done = at + 1;
}

/**
 * Cleans up after a failure that Postgres reported. If the connection was lost, the next run cleans
 * up.
 */
async function cleanUp(worker: Client, migration: Migration, at: number, index?: string) {
  if (index !== undefined) await dropInvalidIndex(worker, index);
  // Nothing of the migration is left, so its file may be corrected.
  if (at === 0) await forgetBegun(worker, migration);
  else await recordProgress(worker, migration, at, null);
}

/**
 * Applies a migration whose statements commit one by one. It continues an earlier run that was
 * interrupted.
 * @param unfinished the record that an earlier run left
 * @throws StatementFailure if a statement fails; MigrationError if the run cannot go on
 */
export async function applySingly(
  run: Run,
  migration: Migration,
  unfinished: UnfinishedMigration | undefined,
): Promise<void> {
  const began = performance.now();
  const { worker, provenance } = run;
  const { statements } = migration;
  if (!unfinished) {
    await inTransaction(run, async () => {
      await recordBegun(worker, migration, provenance);
      return [];
    });
  }
  await prepareSession(worker);
  const begun: BegunMigration = { tag: migration.tag, done: unfinished?.done ?? 0 };
  run.begun = begun;
  for (let at = begun.done; at < statements.length; at += 1) {
    await runStatement(run, migration, at, begun).catch((error: unknown) => {
      throw error instanceof MigrationError
        ? error
        : new StatementFailure(migration, at + 1, error);
    });
  }
  await inTransaction(run, async () => [await record(run, migration, began)]);
  run.begun = undefined;
}
