import { databaseFault } from '../../db/pgErrors';
import { MigrationError, MIGRATE_COMMAND } from './migrationError';
import type { Migration } from './readMigrations';
import type { Run } from './run';
import { findOldTransactions } from './sessions';
import { shorten } from './singleStatements';

/** A statement of a migration failed; kept until the transaction is undone and its reasons can be looked for. */
export class StatementFailure extends Error {
  constructor(
    readonly migration: Migration,
    /** From 1. */
    readonly statement: number,
    override readonly cause: unknown,
  ) {
    super(`${migration.tag}: ${String(cause)}`);
    this.name = 'StatementFailure';
  }
}

const codeOf = (error: unknown) =>
  error instanceof Error && 'code' in error ? error.code : undefined;

/** Postgres stops what waits too long for a lock: another transaction has the table. */
const isLockTimeout = (error: unknown) => codeOf(error) === '55P03';
const isCancelled = (error: unknown) => codeOf(error) === '57014';

/** Classes of what a server that still answers says: it lacks room, or another server refused it. */
const isAnswer = (error: unknown) => /^(53|28|3D)...$/.test(String(codeOf(error)));

const isCutOff = (error: unknown) =>
  databaseFault(error) === 'unavailable' && !isCancelled(error) && !isAnswer(error);

async function describeOldTransactions({ holder }: Run): Promise<string> {
  const old = await findOldTransactions(holder).catch(() => []);
  if (old.length === 0) return 'No open transaction holds a table any more.';
  return `Open now, the oldest first: ${old.join('; ')}.`;
}

/** What the database holds of this run, in one sentence. */
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
 * Makes sentences for an operator of what stopped a run.
 * @param thrown a {@link StatementFailure}, or whatever else went wrong
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
