import { index, pgTable, primaryKey, smallint, uuid } from 'drizzle-orm/pg-core';
import { bytea, instant } from './columns';
import { serviceKeys } from './serviceKeys';

/**
 * The batches of events that services have reported, kept for a day, so that a repeated request
 * writes nothing and gets the same answer. A batch holds events of several tenants, so this table
 * has no tenant id.
 */
export const eventBatches = pgTable(
  'event_batches',
  {
    serviceKeyId: uuid('service_key_id')
      .notNull()
      .references(() => serviceKeys.id),
    /** The SHA-256 hash of the `Idempotency-Key`. */
    keyHash: bytea('key_hash').notNull(),
    /** The SHA-256 hash of the events. */
    digest: bytea('digest').notNull(),
    /** The id of the first event; those of the others follow it one by one. */
    firstEventId: uuid('first_event_id').notNull(),
    events: smallint('events').notNull(),
    createdAt: instant('created_at').notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ name: 'event_batches_pk', columns: [table.serviceKeyId, table.keyHash] }),
    index('idx_event_batches_created').on(table.createdAt),
  ],
);
