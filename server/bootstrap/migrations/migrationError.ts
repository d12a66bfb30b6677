export type MigrationProblemKind =
  /** A newer release has migrated the database. */
  | 'newer'
  | 'edited'
  | 'late'
  | 'interrupted'
  /** Applied, older than this release's newest, and not one of its own. */
  | 'unknown'
  /** Only where a server refuses to start; a migration run settles it. */
  | 'pending';

export interface MigrationProblem {
  kind: MigrationProblemKind;
  /** The migration's name, where it is known. */
  tag?: string;
  /** Plain sentences: what is wrong, and what to do. */
  message: string;
}

/** The database and the migrations in this release do not fit together, or a migration run failed. */
export class MigrationError extends Error {
  /** What does not fit; empty where the run itself failed. */
  readonly problems: readonly MigrationProblem[];

  constructor(
    message: string,
    options: ErrorOptions & { problems?: readonly MigrationProblem[] } = {},
  ) {
    const { problems = [], ...rest } = options;
    super(message, rest);
    this.name = 'MigrationError';
    this.problems = problems;
  }
}

/** @returns the error that says all of these at once, a line each */
export const refusalOf = (problems: readonly MigrationProblem[]): MigrationError =>
  new MigrationError(problems.map(({ message }) => message).join('\n'), { problems });

/** Whether a newer release has migrated the database: no start of this one will help. */
export const isNewer = (error: unknown): boolean =>
  error instanceof MigrationError && error.problems.some(({ kind }) => kind === 'newer');

/** What runs the migrations; messages end with it. */
export const MIGRATE_COMMAND = '`npm run admin -- db migrate`';
