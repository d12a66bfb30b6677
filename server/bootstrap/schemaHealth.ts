import { sql } from 'drizzle-orm';
import { getTableName, is } from 'drizzle-orm';
import { PgTable } from 'drizzle-orm/pg-core';
// The health check is also called by itself, from scripts and tests: that is what the shared handle is for.
// eslint-disable-next-line no-restricted-imports
import { db as sharedDb } from '../db';
import type { Db } from '../db';
import * as schema from '../db/schema';

export interface SchemaHealth {
  ok: boolean;
  /** The names of the tables that the code expects and the database lacks. */
  missing: string[];
}

/** Every table that the Drizzle schema names: the list cannot go stale. */
export const REQUIRED_TABLES: readonly string[] = Object.values(schema)
  .filter((value) => is(value, PgTable))
  .map((table) => getTableName(table))
  .sort();

/**
 * Looks for the tables that the code needs.
 * @param database the handle to look with; the shared one unless given
 * @throws the driver's error where it could not look, which is not the same as nothing missing
 */
export async function schemaHealthCheck(database: Db = sharedDb): Promise<SchemaHealth> {
  const result = await database.execute<{ name: string }>(
    sql`SELECT name FROM unnest(${sql.param([...REQUIRED_TABLES])}::text[]) AS name
        WHERE to_regclass('public.' || quote_ident(name)) IS NULL ORDER BY name`,
  );
  const missing = result.rows.map((row) => row.name);
  return { ok: missing.length === 0, missing };
}
