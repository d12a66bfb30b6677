import { auditMigrations } from './auditMigrations';
import { BEGIN, MIGRATION_SETTINGS } from './clients';
import { StatementFailure } from './explainFailure';
import { ensureLedger, recordApplied } from './ledger';
import { MigrationError } from './migrationError';
import type { Migration } from './readMigrations';
import type { AppliedMigration, Run } from './run';
import { assertRunLock, markAsWorking } from './runLock';

/**
 * Runs `work` in a transaction that commits only while this process holds the migration lock.
 * @param work is given the transaction's id, and returns what it applied
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
 * Records a migration that ran in the transaction `xid`.
 * @throws MigrationError where the migration has ended that transaction
 */
export async function record(
  { worker, provenance }: Run,
  migration: Migration,
  began: number,
  xid: string,
): Promise<AppliedMigration> {
  const { tag, hash } = migration;
  const { rows } = await worker.query<{ xid: string | null }>(
    'SELECT pg_current_xact_id_if_assigned()::text AS xid',
  );
  if (rows[0]?.xid !== xid) {
    throw new MigrationError(
      `The migration ${tag} ended the transaction that it ran in, with COMMIT or ROLLBACK, so what it did may be there although it is not recorded. Remove that statement from ${tag}.sql, and compare the schema with \`npm run admin -- db check\` before you migrate again.`,
    );
  }
  const durationMs = Math.round(performance.now() - began);
  await recordApplied(worker, migration, durationMs, provenance);
  return { tag, hash, durationMs };
}

/** Applies migrations in one transaction: all of them, or none. */
export function applyTogether(run: Run, migrations: readonly Migration[]): Promise<void> {
  return inTransaction(run, async (xid) => {
    const done: AppliedMigration[] = [];
    for (const migration of migrations) {
      const began = performance.now();
      await run.worker.query(MIGRATION_SETTINGS);
      for (const [at, statement] of migration.statements.entries()) {
        await run.worker.query(statement).catch((error: unknown) => {
          throw new StatementFailure(migration, at + 1, error);
        });
      }
      done.push(await record(run, migration, began, xid));
    }
    return done;
  });
}
