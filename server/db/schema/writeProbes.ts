import { bigint, pgTable, uuid } from 'drizzle-orm/pg-core';
import { instant } from './columns';

/** One row a node: the last write that its readiness check made, to know that the database can be written to. */
export const writeProbes = pgTable('write_probes', {
  nodeId: uuid('node_id').primaryKey(),
  /** How many writes the node has made. */
  probes: bigint('probes', { mode: 'number' }).notNull().default(1),
  probedAt: instant('probed_at').notNull().defaultNow(),
});
