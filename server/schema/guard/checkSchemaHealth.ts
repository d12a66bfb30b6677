import { sql } from 'drizzle-orm';
import { getTableName, is } from 'drizzle-orm';
import { PgTable } from 'drizzle-orm/pg-core';
// Scripts and tests also call the health check directly, with the shared handle.
// eslint-disable-next-line no-restricted-imports
import { db as sharedDb } from '../../db';
import type { Db } from '../../db';
import * as schema from '../../db/schema';

export interface SchemaHealth {
  ok: boolean;
  /** The names of the tables that the code expects and the database lacks. */
  missing: string[];
}

/** Every table of the Drizzle schema. The list is derived, so that it is always complete. */
export const REQUIRED_TABLES: readonly string[] = Object.values(schema)
  .filter((value) => is(value, PgTable))
  .map((table) => getTableName(table))
  .sort();

/**
 * Checks that the tables exist which the code needs.
 * @param database the handle for the query; the default is the shared one
 * @throws the driver's error if the check could not be made, which does not mean that nothing is
 *   missing
 */
export async function schemaHealthCheck(database: Db = sharedDb): Promise<SchemaHealth> {
  const result = await database.execute<{ name: string }>(
    sql`SELECT name FROM unnest(${sql.param([...REQUIRED_TABLES])}::text[]) AS name
        WHERE to_regclass('public.' || quote_ident(name)) IS NULL ORDER BY name`,
  );
  const missing = result.rows.map((row) => row.name);
  return { ok: missing.length === 0, missing };
}
