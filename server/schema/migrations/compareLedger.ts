import type { Ledger, LedgerRow, UnfinishedMigration } from './ledger';
import { settleByHand } from './ledger';
import { MIGRATE_COMMAND } from './migrationError';
import type { MigrationProblem } from './migrationError';
import type { Migration } from './readMigrations';
import { isRepeatable, shorten } from './singleStatements';

export interface MigrationState {
  applied: number;
  pending: number;
  /** The names of the pending migrations, in the order in which they will run. */
  pendingTags: string[];
  /** Empty if database and code fit, apart from pending migrations. */
  problems: MigrationProblem[];
}

export interface Comparison extends MigrationState {
  pendingMigrations: Migration[];
  /** The problems that a migration run does not solve. */
  refusals: MigrationProblem[];
}

function describeTime(when: number): string {
  const date = new Date(when);
  return Number.isNaN(date.getTime()) ? String(when) : date.toISOString();
}

const nameOf = ({ tag, created_at }: LedgerRow) =>
  tag ?? `of ${describeTime(Number(created_at))} (its name was not recorded)`;

function judgeUnknown(row: LedgerRow, newestKnown: number): MigrationProblem {
  const when = Number(row.created_at);
  const name = nameOf(row);
  const named = row.tag ? { tag: row.tag } : {};
  if (when > newestKnown) {
    return {
      kind: 'newer',
      ...named,
      message: `The database holds the migration ${name}, which this release does not know: it was migrated by a newer release. Start that release, or restore the backup from before it migrated.`,
    };
  }
  return {
    kind: 'unknown',
    ...named,
    message: `The database holds the migration ${name}, which this release does not have although it has newer ones: it was removed, or comes from a branch that was never merged. Put its file and journal entry back; or undo by hand what it did, then run ${settleByHand(when).forgetApplied}.`,
  };
}

const judgeEdited = ({ tag }: Migration): MigrationProblem => ({
  kind: 'edited',
  tag,
  message: `The migration ${tag} was edited after it was applied. Put ${tag}.sql back as it was, and make the change in a migration of its own: \`npm run schema -- generate --name what_changes\`.`,
});

const judgeLate = ({ tag }: Migration, newest: string): MigrationProblem => ({
  kind: 'late',
  tag,
  message: `The migration ${tag} is older than the newest one applied, ${newest}, and would be skipped in silence. Give it a new timestamp: remove it and generate it again, \`npm run schema -- generate --name what_changes\`.`,
});

const interrupted = (tag: string, message: string): MigrationProblem => ({
  kind: 'interrupted',
  tag,
  message: `The migration ${tag} was interrupted${message}`,
});

function judgeUnfinished(
  row: UnfinishedMigration,
  migration: Migration | undefined,
): { problem: MigrationProblem; isSettledByRun: boolean } {
  const { tag, created_at: when, done, statement } = row;
  const refuse = (message: string) => ({
    problem: interrupted(tag, message),
    isSettledByRun: false,
  });
  const { forgetBegun, setDone } = settleByHand(when);
  const byHand = `finish or undo by hand what it did, then run ${forgetBegun}`;
  if (!migration) {
    return refuse(
      `, and this release does not have it: migrate with the release that has; or ${byHand}.`,
    );
  }
  if (migration.hash !== row.hash) {
    return refuse(
      `, with ${done} of its statements finished, and edited since. Put ${tag}.sql back as it was and run ${MIGRATE_COMMAND}; or ${byHand}.`,
    );
  }
  const text = statement === null ? undefined : migration.statements[statement - 1];
  if (text !== undefined && !isRepeatable(text)) {
    return refuse(
      ` in statement ${statement}, \`${shorten(text)}\`, which cannot simply run again. Look whether it did its work: if so, run ${setDone(done + 1)}, else ${setDone(done)}; then ${MIGRATE_COMMAND}.`,
    );
  }
  const of = migration.statements.length;
  const message = ` after ${done} of ${of} statements: run ${MIGRATE_COMMAND}, which finishes it.`;
  return { problem: interrupted(tag, message), isSettledByRun: true };
}

/** Compares both lists completely, with the hashes. Drizzle compares only the newest timestamp. */
export function compareLedger(journal: readonly Migration[], ledger: Ledger): Comparison {
  const known = new Map(journal.map((migration) => [migration.when, migration]));
  const done = new Set(ledger.applied.map((row) => Number(row.created_at)));
  const newestKnown = journal.at(-1)?.when ?? 0;
  const newest = ledger.applied.at(-1);
  const refusals: MigrationProblem[] = [];
  for (const row of ledger.applied) {
    const migration = known.get(Number(row.created_at));
    if (!migration) refusals.push(judgeUnknown(row, newestKnown));
    else if (migration.hash !== row.hash) refusals.push(judgeEdited(migration));
  }
  const pendingMigrations = journal.filter(({ when }) => !done.has(when));
  for (const migration of pendingMigrations) {
    if (newest && migration.when < Number(newest.created_at)) {
      const name = known.get(Number(newest.created_at))?.tag ?? nameOf(newest);
      refusals.push(judgeLate(migration, name));
    }
  }
  const settled: MigrationProblem[] = [];
  // While another process migrates, an unfinished migration is not an interrupted one.
  for (const row of ledger.running ? [] : ledger.unfinished) {
    const { problem, isSettledByRun } = judgeUnfinished(row, known.get(row.created_at));
    (isSettledByRun ? settled : refusals).push(problem);
  }
  return {
    applied: ledger.applied.length,
    pending: pendingMigrations.length,
    pendingTags: pendingMigrations.map(({ tag }) => tag),
    problems: [...refusals, ...settled],
    pendingMigrations,
    refusals,
  };
}
