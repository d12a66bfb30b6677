import { auditMigrations } from './auditMigrations';
import { ANSWER_MS, BEGIN, MIGRATION_SETTINGS, within } from './clients';
import { StatementFailure } from './explainFailure';
import { ensureLedger, recordApplied } from './ledger';
import { MigrationError } from './migrationError';
import type { Migration } from './readMigrations';
import type { AppliedMigration, Run } from './migrationRun';
import { assertRunLock, markAsWorking } from './runLock';

/**
 * Runs `work` in a transaction that commits only while this process holds the migration lock.
 * @param work receives the transaction's id, and returns the migrations that it applied
 */
export async function inTransaction(
  run: Run,
  work: (xid: string) => Promise<AppliedMigration[]>,
): Promise<void> {
  const { worker, holder } = run;
  try {
    await worker.query(BEGIN);
    await worker.query(MIGRATION_SETTINGS);
    await markAsWorking(worker);
    await ensureLedger(worker);
    const { rows } = await worker.query<{ xid: string }>(
      'SELECT pg_current_xact_id()::text AS xid',
    );
    const done = await work(rows[0]?.xid ?? '');
    const toAudit = [...run.unaudited, ...done];
    const isAudited = await auditMigrations(run, toAudit);
    await assertRunLock(holder);
    await worker.query('COMMIT');
    run.applied.push(...done);
    run.unaudited = isAudited ? [] : toAudit;
  } catch (error) {
    await worker.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/**
 * Records a migration as applied, in the caller's transaction.
 * @param began when it began, as a value of `performance.now()`
 */
export async function record(
  { worker, provenance }: Run,
  migration: Migration,
  began: number,
): Promise<AppliedMigration> {
  const { tag, hash } = migration;
  const durationMs = Math.round(performance.now() - began);
  await recordApplied(worker, migration, durationMs, provenance);
  return { tag, hash, durationMs };
}

const endedItself = ({ tag }: Migration, cause?: unknown) =>
  new MigrationError(
    `The migration ${tag} ended the transaction that it ran in, with COMMIT or ROLLBACK, so what it did may be there although it is not recorded. Remove that statement from ${tag}.sql, and compare the schema with \`npm run admin -- db check\` before you migrate again.`,
    { cause },
  );

/**
 * Decides what the failure of a statement means. If the statements contain a COMMIT, the failure
 * does not undo the statements before that.
 */
async function judgeFailure({ holder }: Run, failure: StatementFailure, xid: string) {
  const ask = 'SELECT pg_xact_status($1) AS status';
  const answer = await holder
    .query<{ status: string | null }>(within(ANSWER_MS, ask, [xid]))
    .catch(() => undefined);
  return answer?.rows[0]?.status === 'committed'
    ? endedItself(failure.migration, failure)
    : failure;
}

async function runStatements(run: Run, migration: Migration, xid: string): Promise<void> {
  for (const [at, statement] of migration.statements.entries()) {
    await run.worker.query(statement).catch(async (error: unknown) => {
      throw await judgeFailure(run, new StatementFailure(migration, at + 1, error), xid);
    });
    const { rows } = await run.worker.query<{ xid: string | null }>(
      'SELECT pg_current_xact_id_if_assigned()::text AS xid',
    );
    // This must be checked at once, because every later statement would commit by itself.
    if (rows[0]?.xid !== xid) throw endedItself(migration);
  }
}

/** Applies migrations in one transaction: all of them, or none. */
export function applyTogether(run: Run, migrations: readonly Migration[]): Promise<void> {
  return inTransaction(run, async (xid) => {
    const done: AppliedMigration[] = [];
    for (const migration of migrations) {
      const began = performance.now();
      await run.worker.query(MIGRATION_SETTINGS);
      await runStatements(run, migration, xid);
      done.push(await record(run, migration, began));
    }
    return done;
  });
}
