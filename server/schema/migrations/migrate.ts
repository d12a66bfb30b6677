import type { Client } from 'pg';
import { SECOND_MS } from '../../durations';
import { applySingly, endLeftoverStatements } from './applySingly';
import { applyTogether, inTransaction } from './applyTogether';
import { ANSWER_MS, applicationName, MIGRATION_SETTINGS, withClient, within } from './clients';
import type { Connection } from './clients';
import { compareLedger } from './compareLedger';
import type { MigrationState } from './compareLedger';
import { explainFailure } from './explainFailure';
import { isLedgerComplete, readLedger } from './ledger';
import type { UnfinishedMigration } from './ledger';
import { MigrationError, MIGRATE_COMMAND, refusalOf } from './migrationError';
import { readMigrations } from './readMigrations';
import type { Migration } from './readMigrations';
import type { AppliedMigration, Run } from './migrationRun';
import { endLeftoverTransactions, releaseRunLock, takeRunLock } from './runLock';
import type { LockOptions } from './runLock';

export { isNewer, MigrationError } from './migrationError';
export type { MigrationState } from './compareLedger';
export type { AppliedMigration } from './migrationRun';
export type { LockWait } from './runLock';

export interface MigrateOptions extends LockOptions {
  /** The release that migrates, for the record. */
  codeVersion?: string | undefined;
  /** The program or person that runs it, for the record. */
  appliedBy?: string | undefined;
  /** Joins the audit events with the log of the caller. The default is `migration`. */
  correlationId?: string | undefined;
  /** The actor of the audit events. The default is `system`. */
  actor?: string | undefined;
  /** The operator's own reason. */
  ticket?: string | undefined;
}

/** Groups neighbours that share a transaction, in the order of the migrations. */
function groupByTransaction(migrations: readonly Migration[]): Migration[][] {
  const groups: Migration[][] = [];
  for (const migration of migrations) {
    const group = groups.at(-1);
    const shared = migration.transaction === 'shared';
    if (shared && group?.[0]?.transaction === 'shared') group.push(migration);
    else groups.push([migration]);
  }
  return groups;
}

async function applyGroup(
  run: Run,
  group: Migration[],
  unfinished: readonly UnfinishedMigration[],
): Promise<void> {
  const [first] = group;
  if (first?.transaction !== 'none') return applyTogether(run, group);
  const begun = unfinished.find((row) => row.created_at === first.when);
  return applySingly(run, first, begun);
}

async function applyPending(run: Run, journal: readonly Migration[]): Promise<void> {
  const { worker } = run;
  await endLeftoverTransactions(worker);
  // This process holds the lock, so an unfinished migration was interrupted.
  const ledger = { ...(await readLedger(worker, MIGRATION_SETTINGS)), running: false };
  const begun = new Set(ledger.unfinished.map((row) => row.created_at));
  for (const migration of journal.filter(({ when }) => begun.has(when))) {
    await endLeftoverStatements(worker, migration);
  }
  const { refusals, pendingMigrations } = compareLedger(journal, ledger);
  if (refusals.length > 0) throw refusalOf(refusals);
  for (const group of groupByTransaction(pendingMigrations)) {
    await applyGroup(run, group, ledger.unfinished);
  }
  // Earlier releases recorded fewer columns.
  if (pendingMigrations.length === 0 && !(await isLedgerComplete(worker))) {
    await inTransaction(run, () => Promise.resolve([]));
  }
}

/** @throws MigrationError if a pooler has no second connection to give */
async function probe(worker: Client): Promise<void> {
  await worker.query(within(ANSWER_MS, 'SELECT')).catch((error: unknown) => {
    throw new MigrationError(
      `The database did not answer on a second connection within ${ANSWER_MS / SECOND_MS} s: one holds the migration lock while the other works, so a pooler must have two for this database. Then run ${MIGRATE_COMMAND} again.`,
      { cause: error },
    );
  });
}

/**
 * Applies every pending migration under an advisory lock. Any number of processes may call this at
 * the same time: one does the work, the others wait. All migrations run in one transaction, except
 * those that are marked otherwise.
 * @param url the database, directly or through a pooler; two connections are used
 * @param migrationsFolder the output of drizzle-kit
 * @returns the migrations that this call applied, in order
 * @throws MigrationError if database and release do not fit, another process migrates for too long,
 *   or a migration fails; its message names the part of the run that is kept
 */
export async function runMigrations(
  url: string,
  migrationsFolder: string,
  options: MigrateOptions = {},
): Promise<readonly AppliedMigration[]> {
  const journal = await readMigrations(migrationsFolder);
  const { codeVersion, appliedBy, correlationId = 'migration', actor = 'system', ticket } = options;
  const origin = { correlationId, actor, ticket };
  const settings = { application_name: applicationName(codeVersion) };
  const provenance = { codeVersion: codeVersion ?? null, appliedBy: appliedBy ?? null };
  const work = (holder: Client) =>
    withClient(
      url,
      async (worker) => {
        await probe(worker);
        const run: Run = { holder, worker, provenance, ...origin, applied: [], unaudited: [] };
        await applyPending(run, journal).catch(async (error: unknown) => {
          throw await explainFailure(run, error);
        });
        return run.applied;
      },
      settings,
    );
  return withClient(
    url,
    async (holder) => {
      await takeRunLock(holder, options);
      return work(holder).finally(() => releaseRunLock(holder));
    },
    settings,
  );
}

/** Does the same as {@link runMigrations}. @returns how many migrations this call applied */
export async function migrate(
  url: string,
  migrationsFolder: string,
  options: MigrateOptions = {},
): Promise<number> {
  return (await runMigrations(url, migrationsFolder, options)).length;
}

async function look(client: Connection, journal: readonly Migration[]): Promise<MigrationState> {
  let state = compareLedger(journal, await readLedger(client));
  // Between the last commit of a migration and the end of its process, a reader can see an
  // interruption that is none. A second look settles it.
  if (state.problems.some(({ kind }) => kind === 'interrupted')) {
    state = compareLedger(journal, await readLedger(client));
  }
  const { applied, pending, pendingTags, problems } = state;
  return { applied, pending, pendingTags, problems };
}

/**
 * Compares the applied migrations with those of this release, and changes nothing.
 * @param database its URL, or a connection that is in no transaction
 * @returns the counts, the pending migrations, and each problem with its remedy
 * @throws the driver's error if the database could not be read; MigrationError if files of the
 *   release are missing or damaged
 */
export async function readMigrationState(
  database: string | Connection,
  migrationsFolder: string,
): Promise<MigrationState> {
  const journal = await readMigrations(migrationsFolder);
  if (typeof database !== 'string') return look(database, journal);
  return withClient(database, (client) => look(client, journal), { query_timeout: ANSWER_MS });
}
