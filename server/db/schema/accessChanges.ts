import { sql } from 'drizzle-orm';
import { boolean, check, index, pgTable, text, uuid } from 'drizzle-orm/pg-core';
import { instant, key, transactionId } from './columns';

/**
 * One change of who may do what. Triggers write the rows, so that changes made by SQL count as well.
 * A row says what changed and not how: anyone who keeps an answer about it asks again. It has no
 * policy, because the readers are services of the team, which belong to no tenant, and it holds
 * nothing but ids.
 */
export const accessChanges = pgTable(
  'access_changes',
  {
    id: key(),
    /** By it a reader recognises the rows that were not visible in its last snapshot. */
    transactionId: transactionId('transaction_id')
      .notNull()
      .default(sql`pg_current_xact_id()`),
    /** `session`, `staff`, `user`, `tenant`, `api_key`, `service_key`, or `everything`. */
    kind: text('kind').notNull(),
    tenantId: uuid('tenant_id'),
    userId: uuid('user_id'),
    /** The session, staff member, API key or service key. */
    subjectId: uuid('subject_id'),
    /** When it was written. Its transaction committed later. */
    writtenAt: instant('written_at')
      .notNull()
      .default(sql`clock_timestamp()`),
  },
  (table) => [index('idx_access_changes_transaction').on(table.transactionId)],
);

/** How far the changes have been purged: one row. */
export const accessChangePurges = pgTable(
  'access_change_purges',
  {
    id: boolean('id').primaryKey().default(true),
    /** Changes of transactions before this one may be gone. */
    purgedBelow: transactionId('purged_below')
      .notNull()
      .default(sql`'0'::xid8`),
    /** All transactions before this one had ended when `noted_at` was written. */
    nextBelow: transactionId('next_below')
      .notNull()
      .default(sql`'0'::xid8`),
    notedAt: instant('noted_at').notNull().defaultNow(),
  },
  (table) => [check('access_change_purges_one_row', sql`${table.id}`)],
);
