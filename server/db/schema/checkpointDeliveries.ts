import { sql } from 'drizzle-orm';
import { bigint, integer, pgTable, text, uuid } from 'drizzle-orm/pg-core';
import { instant } from './columns';

/** How far each place has come that signed heads are delivered to. A row is never locked for longer than a statement. */
export const checkpointDeliveries = pgTable('checkpoint_deliveries', {
  /** `file:<machine>:<path>`, or `webhook:<hash of the address>`: another target is another row, and begins from the start. */
  sink: text('sink').primaryKey(),
  /** All checkpoints up to this one are there. */
  deliveredId: bigint('delivered_id', { mode: 'number' }).notNull().default(0),
  deliveredNote: text('delivered_note'),
  deliveredAt: instant('delivered_at'),
  /** In a row. */
  failures: integer('failures').notNull().default(0),
  lastError: text('last_error'),
  nextTryAt: instant('next_try_at')
    .notNull()
    .default(sql`now()`),
  /** The process that delivers, and until when nobody else may: what a dead one held runs out. */
  claimedBy: uuid('claimed_by'),
  claimedUntil: instant('claimed_until'),
  /** SHA-256 of the last note that was told to be lost, in hex, so that it is told once. */
  toldLost: text('told_lost'),
});
