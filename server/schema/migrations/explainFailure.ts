import { databaseFault } from '../../db/pgErrors';
import { MigrationError, MIGRATE_COMMAND } from './migrationError';
import type { Migration } from './readMigrations';
import type { Run } from './migrationRun';
import { findOldTransactions } from './sessions';
import { shorten } from './singleStatements';

/**
 * Thrown if a statement of a migration failed. The cause is explained after the transaction was
 * rolled back.
 */
export class StatementFailure extends Error {
  constructor(
    readonly migration: Migration,
    /** Counts from 1. */
    readonly statement: number,
    override readonly cause: unknown,
  ) {
    super(`${migration.tag}: ${String(cause)}`);
    this.name = 'StatementFailure';
  }
}

const codeOf = (error: unknown) =>
  error instanceof Error && 'code' in error ? error.code : undefined;

/**
 * Postgres cancels a statement that waits too long for a lock, because another transaction uses the
 * table.
 */
const isLockTimeout = (error: unknown) => codeOf(error) === '55P03';
const isCancelled = (error: unknown) => codeOf(error) === '57014';

/**
 * The classes of errors that a server sends while the connection still works: it lacks resources,
 * or another server that it uses refused a login or a database.
 */
const isAnswer = (error: unknown) => /^(53|28|3D)...$/.test(String(codeOf(error)));

const isCutOff = (error: unknown) =>
  databaseFault(error) === 'unavailable' && !isCancelled(error) && !isAnswer(error);

async function describeOldTransactions({ holder }: Run): Promise<string> {
  const old = await findOldTransactions(holder).catch(() => []);
  if (old.length === 0) return 'No open transaction holds a table any more.';
  return `Open now, the oldest first: ${old.join('; ')}.`;
}

/** Says in one sentence what the database keeps of this run. */
function describeOutcome({ applied, begun }: Run): string {
  const kept = applied.map(({ tag }) => tag);
  if (begun && begun.done > 0) kept.push(`statements 1 to ${begun.done} of ${begun.tag}`);
  if (begun?.brokenIndex !== undefined) {
    kept.push(`the unfinished index ${begun.brokenIndex}, which the next run makes anew`);
  }
  return kept.length === 0
    ? 'Nothing was changed.'
    : `Committed and kept: ${kept.join(', ')}; nothing else was changed.`;
}

function describePlace(failure: StatementFailure | undefined): string {
  if (!failure) return 'The migrations could not be recorded or committed';
  const { migration, statement } = failure;
  const { tag, statements } = migration;
  const text = shorten(statements[statement - 1] ?? '');
  return `The migration ${tag} failed at statement ${statement} of ${statements.length}, \`${text}\``;
}

/**
 * Turns the error that stopped a run into sentences for an operator.
 * @param thrown a {@link StatementFailure}, or any other error
 * @returns the error to throw instead; a MigrationError stays as it is
 */
export async function explainFailure(run: Run, thrown: unknown): Promise<MigrationError> {
  if (thrown instanceof MigrationError) return thrown;
  const failure = thrown instanceof StatementFailure ? thrown : undefined;
  const cause = failure ? failure.cause : thrown;
  if (isCutOff(cause)) {
    const where = failure ? ` in the migration ${failure.migration.tag}` : '';
    return new MigrationError(
      `The connection to the database was lost${where}: what was not committed is undone. Run ${MIGRATE_COMMAND} again, which goes on from there.`,
      { cause },
    );
  }
  const where = describePlace(failure);
  const outcome = describeOutcome(run);
  if (isLockTimeout(cause)) {
    return new MigrationError(
      `${where}: another transaction holds a lock on a table that it needs, and did not give it back in time. ${await describeOldTransactions(run)} ${outcome} Wait for that transaction or end it, then run ${MIGRATE_COMMAND} again.`,
      { cause },
    );
  }
  const because = cause instanceof Error ? cause.message : String(cause);
  const hint = isCancelled(cause)
    ? ' Where the role has a statement_timeout that a pooler keeps from being lifted, migrate on a direct connection.'
    : '';
  return new MigrationError(
    `${where}: ${because}.${hint} ${outcome} Mend the cause, then run ${MIGRATE_COMMAND} again.`,
    { cause },
  );
}
