import { sql } from 'drizzle-orm';
import { bigint, index, integer, pgTable, primaryKey, text, uuid } from 'drizzle-orm/pg-core';
import { bytea, instant } from './columns';

/**
 * The progress of each receiver in each log. Leaves are numbered without gaps and never change, so
 * the number of the next leaf is enough as a cursor.
 */
export const eventDeliveries = pgTable(
  'event_deliveries',
  {
    sink: text('sink').notNull(),
    logId: uuid('log_id').notNull(),
    /** All leaves before this one were delivered. */
    nextLeaf: bigint('next_leaf', { mode: 'number' }).notNull().default(0),
    /**
     * The hash of the last delivered leaf, which the log must still have. Null if none was
     * delivered.
     */
    lastHash: bytea('last_hash'),
    /** How many leaves are under a checkpoint, as far as the feed knows. */
    signedSize: bigint('signed_size', { mode: 'number' }).notNull().default(0),
    deliveredAt: instant('delivered_at'),
    /**
     * The number of failures in a row of this log only: the receiver refuses an event, or an event
     * is missing.
     */
    failures: integer('failures').notNull().default(0),
    lastError: text('last_error'),
    /**
     * When the log may be tried again. Of two that may, the one that has waited longer comes first.
     */
    nextTryAt: instant('next_try_at')
      .notNull()
      .default(sql`now()`),
    /**
     * The process that holds the lease, and when the lease expires. The lease of a dead process
     * expires by itself.
     */
    claimedBy: uuid('claimed_by'),
    claimedUntil: instant('claimed_until'),
  },
  (table) => [
    primaryKey({ columns: [table.sink, table.logId] }),
    index('idx_event_deliveries_due')
      .on(table.sink, table.nextTryAt)
      .where(sql`${table.nextLeaf} <> ${table.signedSize}`),
  ],
);
