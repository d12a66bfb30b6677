import { sql } from 'drizzle-orm';
import { bigint, index, integer, pgTable, primaryKey, text, uuid } from 'drizzle-orm/pg-core';
import { bytea, instant } from './columns';

/**
 * How far each log has come at each receiver. Leaves are numbered without a gap and never change, so the next one is all that a cursor
 * needs to be.
 */
export const eventDeliveries = pgTable(
  'event_deliveries',
  {
    sink: text('sink').notNull(),
    logId: uuid('log_id').notNull(),
    /** All leaves before this one are there. */
    nextLeaf: bigint('next_leaf', { mode: 'number' }).notNull().default(0),
    /** The hash of the last leaf that is there: the log must still have it. Null where none is. */
    lastHash: bytea('last_hash'),
    /** How many leaves are under a checkpoint, as far as the feed knows. */
    signedSize: bigint('signed_size', { mode: 'number' }).notNull().default(0),
    deliveredAt: instant('delivered_at'),
    /** Of this log alone, in a row: the receiver refuses what it was sent, or there is nothing to send. */
    failures: integer('failures').notNull().default(0),
    lastError: text('last_error'),
    /** When it may be tried; of two that may, the one that has waited longer is first. */
    nextTryAt: instant('next_try_at')
      .notNull()
      .default(sql`now()`),
    /** The process that sends, and until when nobody else may: what a dead one held runs out. */
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
