import { bigint, pgTable, text } from 'drizzle-orm/pg-core';

/**
 * One row a topic: its version grows in each transaction that changes the topic's tables. Nodes read it every few seconds
 * and forget what they keep in memory when it has moved. Triggers write it, so that changes made by SQL count as well.
 */
export const changeVersions = pgTable('change_versions', {
  topic: text('topic').primaryKey(),
  version: bigint('version', { mode: 'number' }).notNull().default(0),
});
