import { integer, pgTable, uuid } from 'drizzle-orm/pg-core';
import { instant } from './columns';

/** How far each node's clock is from the database's: if all are off alike, the database's clock is at fault. */
export const nodeClocks = pgTable('node_clocks', {
  nodeId: uuid('node_id').primaryKey(),
  /** Positive if the node's clock is ahead. */
  offsetMs: integer('offset_ms').notNull(),
  measuredAt: instant('measured_at').notNull(),
});
