/** One fault, with its cause and its remedy. */
export interface Finding {
  /** A stable code in `UPPER_SNAKE`, to which programs and documents refer. */
  code: FindingCode;
  /** A plain sentence that names the cause. */
  message: string;
  /** The file, migration or database object that it is about. */
  object: string;
  /** The command or the edit that repairs it. */
  fix: string;
}

/** Every code with its meaning, for `docs/development-workflow.md`. */
export const FINDING_CODES = {
  SCHEMA_CHANGED: 'the Drizzle schema has a change without a migration',
  SCHEMA_BROKEN: 'the schema cannot be loaded, or a table is not exported from its index',
  FILE_MISSING: 'the journal names a migration whose file or snapshot is not there',
  FILE_UNKNOWN: 'a migration or snapshot lies in the folder that the journal does not name',
  DOUBLED: 'two migrations have one number, one time or one name',
  OUT_OF_ORDER: 'numbers or times of the journal do not rise, or a time lies in the future',
  BADLY_NAMED:
    'a name is not a number and a description in lower case, or one that drizzle-kit made up',
  CHAIN_BROKEN:
    'a snapshot does not follow the one before it: two migrations were made from one state',
  EDITED: 'a migration was edited or removed after it landed',
  UNRECORDED: 'a migration has no pin, or its pin is of an earlier text',
  CATALOGUE_STALE: '`catalogue.json` is not what the migrations make',
  UNTRACKED: 'a file of the schema or the migrations is not in git',
  UNCOMMITTED: 'a file in git is not what lies in the folder',
  LINT: 'a migration may lose data, lock a full table, or break the release before',
  ALLOWANCE: 'a line that allows a finding gives no reason, or allows nothing',
  TRANSACTION: 'a transaction marker is unknown, or does not fit the statements',
  MIGRATIONS: 'the live database and the migrations do not fit together',
  PENDING: 'migrations of this release have not been applied',
  DRIFT: 'an object of the live database is not what the migrations make',
  COULD_NOT_LOOK: 'something could not be looked at, which is not the same as nothing wrong',
} as const;

export type FindingCode = keyof typeof FINDING_CODES;

/**
 * The result of a check: the faults, and the things that it could not check, each with the reason.
 */
export interface Findings {
  findings: Finding[];
  notLooked: string[];
}
