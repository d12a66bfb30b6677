import { sql } from 'drizzle-orm';
import { boolean, check, pgTable, text } from 'drizzle-orm/pg-core';
import { instant } from './columns';

/**
 * One row: the last recorded health of the live schema, so that all nodes together write one event
 * for a change.
 */
export const schemaHealth = pgTable(
  'schema_health',
  {
    only: boolean('only').primaryKey().default(true),
    /** The tables that the code expects and that were missing. */
    missing: text('missing')
      .array()
      .notNull()
      .default(sql`'{}'::text[]`),
    /** The other differences from the migrations, one phrase each. */
    findings: text('findings')
      .array()
      .notNull()
      .default(sql`'{}'::text[]`),
    changedAt: instant('changed_at').notNull().defaultNow(),
  },
  (table) => [check('schema_health_only', sql`${table.only}`)],
);
