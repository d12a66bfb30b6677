import { sql } from 'drizzle-orm';
import { bigint, integer, pgTable, text } from 'drizzle-orm/pg-core';
import { instant } from './columns';

/** A receiver to which audit events are sent when they are sealed. */
export const eventFeeds = pgTable('event_feeds', {
  /** `webhook:<hash of the address>`. Another address is another feed, and starts again. */
  sink: text('sink').primaryKey(),
  /** `event_deliveries` contains every checkpoint up to this one. */
  seenCheckpoint: bigint('seen_checkpoint', { mode: 'number' }).notNull(),
  /** The number of failures in a row of the receiver as a whole. */
  failures: integer('failures').notNull().default(0),
  lastError: text('last_error'),
  nextTryAt: instant('next_try_at')
    .notNull()
    .default(sql`now()`),
  /** The last loss that was reported, so that it is reported once: a log, a leaf and its hash. */
  toldLost: text('told_lost'),
});
