import { bigint, pgTable, uuid } from 'drizzle-orm/pg-core';
import { instant } from './columns';

/**
 * One row for each node: the last write of its readiness check, which proves that the database
 * accepts writes.
 */
export const writeProbes = pgTable('write_probes', {
  nodeId: uuid('node_id').primaryKey(),
  /** How many writes the node has made. */
  probes: bigint('probes', { mode: 'number' }).notNull().default(1),
  probedAt: instant('probed_at').notNull().defaultNow(),
});
