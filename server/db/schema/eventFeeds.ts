import { sql } from 'drizzle-orm';
import { bigint, integer, pgTable, text } from 'drizzle-orm/pg-core';
import { instant } from './columns';

/** A receiver that audit events are sent to as they are sealed. */
export const eventFeeds = pgTable('event_feeds', {
  /** `webhook:<hash of the address>`: another address is another feed, and begins anew. */
  sink: text('sink').primaryKey(),
  /** Every checkpoint up to this one is known to `event_deliveries`. */
  seenCheckpoint: bigint('seen_checkpoint', { mode: 'number' }).notNull(),
  /** Of the receiver as a whole, in a row. */
  failures: integer('failures').notNull().default(0),
  lastError: text('last_error'),
  nextTryAt: instant('next_try_at')
    .notNull()
    .default(sql`now()`),
  /** What was told last to be lost, so that it is told once: a log, a leaf and its hash. */
  toldLost: text('told_lost'),
});
