import { bigint, pgTable, text } from 'drizzle-orm/pg-core';

/**
 * One row for each topic. Its version grows in each transaction that changes the topic's tables.
 * Nodes read it every few seconds, and drop their cached values if it has grown. Triggers write it,
 * so that changes made by SQL count as well.
 */
export const changeVersions = pgTable('change_versions', {
  topic: text('topic').primaryKey(),
  version: bigint('version', { mode: 'number' }).notNull().default(0),
});
