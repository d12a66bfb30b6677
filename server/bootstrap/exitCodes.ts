/** How a process that refuses to start ends, so that whoever started it can tell the reasons apart. */
export const EXIT = {
  /** Bad settings, a taken port, a database that cannot be reached, anything unforeseen. */
  FAILED: 1,
  /** The database was migrated by a newer release: starting this one again will not help. */
  DATABASE_NEWER: 3,
  /** Migrations are pending, late, edited or interrupted: migrate, then start again. */
  MIGRATIONS: 4,
  /** `SCHEMA_GUARD=enforce`, and the live schema is not what the migrations make. */
  SCHEMA_DRIFT: 5,
  /** In production, the role that the server connects as could undo the audit log. */
  OWNER_ROLE: 6,
  /** A key is not one that the database was written with, or cannot be proven to be. */
  WRONG_KEY: 7,
} as const;
