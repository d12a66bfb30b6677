import { integer, pgTable, uuid } from 'drizzle-orm/pg-core';
import { instant } from './columns';

/**
 * The offset of each node's clock from the database's clock. If all nodes have the same offset, the
 * database's clock is wrong.
 */
export const nodeClocks = pgTable('node_clocks', {
  nodeId: uuid('node_id').primaryKey(),
  /** Positive if the node's clock is ahead. */
  offsetMs: integer('offset_ms').notNull(),
  measuredAt: instant('measured_at').notNull(),
});
