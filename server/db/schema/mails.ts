import { sql } from 'drizzle-orm';
import { foreignKey, index, integer, pgTable, text, uuid } from 'drizzle-orm/pg-core';
import { bytea, instant, key } from './columns';
import { tenantStaff } from './tenantStaff';
import { tenantRows } from './tenantRows';

/**
 * A mail to a staff member, or to somebody who is invited. It is written in the transaction of the event that it reports, and sent
 * after that.
 */
export const mails = pgTable(
  'mails',
  {
    id: key(),
    tenantId: uuid('tenant_id').notNull(),
    /** Null for a mail to somebody who is not a member yet; `staffId` too. */
    userId: uuid('user_id'),
    staffId: uuid('staff_id'),
    kind: text('kind').notNull(),
    /**
     * AES-256-GCM, bound to this row: recipient, subject and text, which may hold a code. Null once
     * it was sent.
     */
    sealed: bytea('sealed'),
    /** Identifies the ENCRYPTION_KEY that sealed it; null in older rows. */
    keyId: text('key_id'),
    createdAt: instant('created_at').notNull().defaultNow(),
    /** The mail is not sent after this time. */
    expiresAt: instant('expires_at').notNull(),
    nextTryAt: instant('next_try_at').notNull().defaultNow(),
    tries: integer('tries').notNull().default(0),
    sentAt: instant('sent_at'),
    givenUpAt: instant('given_up_at'),
    /** The last answer of the mail server, without addresses. */
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
    tenantRows('mails'),
  ],
);
