/** One fault, with its cause and its fix. */
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
  FILE_MISSING: 'the journal names a migration, but its file or snapshot is missing',
  FILE_UNKNOWN: 'the folder contains a migration or snapshot that the journal does not name',
  DOUBLED: 'two migrations have the same number, time or name',
  OUT_OF_ORDER: 'the numbers or times in the journal do not increase, or a time is in the future',
  BADLY_NAMED: 'a name is not a number and a description in lower case, or drizzle-kit invented it',
  CHAIN_BROKEN:
    'a snapshot does not follow the one before it: two migrations were generated from one state',
  EDITED: 'a migration was edited or removed after it landed',
  UNRECORDED: 'a migration has no pin, or its pin is that of an earlier text',
  CATALOGUE_STALE: '`catalogue.json` differs from the schema that the migrations create',
  UNTRACKED: 'a file of the schema or the migrations is not in git',
  UNCOMMITTED: 'a file in the folder differs from the one in git',
  LINT: 'a migration may lose data, lock a full table, or break the previous release',
  ALLOWANCE: 'a line that allows a finding gives no reason, or matches no finding',
  TRANSACTION: 'a transaction marker is unknown, or does not suit the statements',
  MIGRATIONS: 'the record of migrations in the live database does not match the migrations',
  PENDING: 'migrations of this release have not been applied',
  DRIFT: 'an object of the live database differs from what the migrations create',
  COULD_NOT_LOOK: 'something could not be checked, so it may be wrong',
} as const;

export type FindingCode = keyof typeof FINDING_CODES;

/**
 * The result of a check: the faults, and the things that it could not check, each with the reason.
 */
export interface Findings {
  findings: Finding[];
  notLooked: string[];
}
