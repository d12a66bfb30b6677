/**
 * The exit codes of a process that refuses to start, so that the caller can distinguish the
 * reasons.
 */
export const EXIT = {
  /** Wrong settings, a port in use, a database that cannot be reached, or any unexpected error. */
  FAILED: 1,
  /** A newer release migrated the database. Starting this release again will not help. */
  DATABASE_NEWER: 3,
  /** Migrations are pending, late, edited or interrupted. Migrate, then start again. */
  MIGRATIONS: 4,
  /** With `SCHEMA_GUARD=enforce`, the live schema differs from what the migrations create. */
  SCHEMA_DRIFT: 5,
  /** In production, the database role of the server could undo the audit log. */
  OWNER_ROLE: 6,
  /** A key is not one that the database was written with, or cannot be proven to be. */
  WRONG_KEY: 7,
} as const;
