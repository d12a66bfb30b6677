import { sql } from 'drizzle-orm';
import { boolean, check, pgTable } from 'drizzle-orm/pg-core';
import { instant } from './columns';

/** One row: facts about this installation as a whole. */
export const installation = pgTable(
  'installation',
  {
    only: boolean('only').primaryKey().default(true),
    /** Since then no node may serve this database with `NODE_ENV=test`. */
    servedInProductionAt: instant('served_in_production_at'),
  },
  (table) => [check('installation_only', sql`${table.only}`)],
);
