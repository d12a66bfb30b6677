export type MigrationProblemKind =
  /** A newer release has migrated the database. */
  | 'newer'
  | 'edited'
  | 'late'
  | 'interrupted'
  /**
   * The migration was applied and is older than this release's newest one, but this release does
   * not have it.
   */
  | 'unknown'
  /** Reported only if a server refuses to start. A migration run solves it. */
  | 'pending';

export interface MigrationProblem {
  kind: MigrationProblemKind;
  /** The migration's name, if it is known. */
  tag?: string;
  /** Plain sentences: the problem and its remedy. */
  message: string;
}

/**
 * Thrown if the database and the migrations of this release do not fit together, or if a migration
 * run failed.
 */
export class MigrationError extends Error {
  /** The problems that were found; empty if the run itself failed. */
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

/** @returns one error with the messages of all problems, one a line */
export const refusalOf = (problems: readonly MigrationProblem[]): MigrationError =>
  new MigrationError(problems.map(({ message }) => message).join('\n'), { problems });

/**
 * Returns whether a newer release has migrated the database. Starting this release again will not
 * help then.
 */
export const isNewer = (error: unknown): boolean =>
  error instanceof MigrationError && error.problems.some(({ kind }) => kind === 'newer');

/** The command that runs the migrations, as messages quote it. */
export const MIGRATE_COMMAND = '`npm run admin -- db migrate`';
