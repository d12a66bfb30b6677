import { sql } from 'drizzle-orm';
import { bigint, integer, pgTable, text, uuid } from 'drizzle-orm/pg-core';
import { instant } from './columns';

/**
 * The progress of each sink to which checkpoints are delivered. A row is never locked for longer
 * than one statement.
 */
export const checkpointDeliveries = pgTable('checkpoint_deliveries', {
  /**
   * `file:<machine>:<path>`, or `webhook:<hash of the address>`. Another target has another row,
   * and starts from the beginning.
   */
  sink: text('sink').primaryKey(),
  /** All checkpoints up to this one were delivered. */
  deliveredId: bigint('delivered_id', { mode: 'number' }).notNull().default(0),
  deliveredNote: text('delivered_note'),
  deliveredAt: instant('delivered_at'),
  /** The number of failures in a row. */
  failures: integer('failures').notNull().default(0),
  lastError: text('last_error'),
  nextTryAt: instant('next_try_at')
    .notNull()
    .default(sql`now()`),
  /**
   * The process that holds the lease, and when the lease expires. The lease of a dead process
   * expires by itself.
   */
  claimedBy: uuid('claimed_by'),
  claimedUntil: instant('claimed_until'),
  /** SHA-256 in hex of the last note that was reported as lost, so that it is reported once. */
  toldLost: text('told_lost'),
});
