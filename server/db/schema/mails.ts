import { sql } from 'drizzle-orm';
import { foreignKey, index, integer, pgTable, text, uuid } from 'drizzle-orm/pg-core';
import { bytea, instant, key } from './columns';
import { tenantStaff } from './tenantStaff';

/** A mail to a staff member, written in the transaction of what it tells of, and sent after it. */
export const mails = pgTable(
  'mails',
  {
    id: key(),
    tenantId: uuid('tenant_id').notNull(),
    userId: uuid('user_id').notNull(),
    staffId: uuid('staff_id').notNull(),
    kind: text('kind').notNull(),
    /** AES-256-GCM, bound to this row: recipient, subject and text, which may hold a code. Null once it was sent. */
    sealed: bytea('sealed'),
    /** Which ENCRYPTION_KEY sealed it; null in older rows. */
    keyId: text('key_id'),
    createdAt: instant('created_at').notNull().defaultNow(),
    /** Not worth sending after. */
    expiresAt: instant('expires_at').notNull(),
    nextTryAt: instant('next_try_at').notNull().defaultNow(),
    tries: integer('tries').notNull().default(0),
    sentAt: instant('sent_at'),
    givenUpAt: instant('given_up_at'),
    /** What the mail server said last, without addresses. */
    lastError: text('last_error'),
  },
  (table) => [
    foreignKey({
      name: 'mails_staff_fk',
      columns: [table.tenantId, table.staffId, table.userId],
      foreignColumns: [tenantStaff.tenantId, tenantStaff.id, tenantStaff.userId],
    }),
    index('idx_mails_waiting')
      .on(table.nextTryAt)
      .where(sql`${table.sentAt} IS NULL AND ${table.givenUpAt} IS NULL`),
  ],
);
