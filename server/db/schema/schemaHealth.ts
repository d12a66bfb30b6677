import { sql } from 'drizzle-orm';
import { boolean, check, pgTable, text } from 'drizzle-orm/pg-core';
import { instant } from './columns';

/** One row: what was last recorded of the live schema's health, so that all nodes write one event of a change. */
export const schemaHealth = pgTable(
  'schema_health',
  {
    only: boolean('only').primaryKey().default(true),
    /** Tables that the code expects and that were not there. */
    missing: text('missing')
      .array()
      .notNull()
      .default(sql`'{}'::text[]`),
    /** What else was not as the migrations make it, a phrase each. */
    findings: text('findings')
      .array()
      .notNull()
      .default(sql`'{}'::text[]`),
    changedAt: instant('changed_at').notNull().defaultNow(),
  },
  (table) => [check('schema_health_only', sql`${table.only}`)],
);
