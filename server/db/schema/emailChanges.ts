import { foreignKey, index, pgTable, text, uuid } from 'drizzle-orm/pg-core';
import { instant, key } from './columns';
import { tenantStaff } from './tenantStaff';
import { tenantRows } from './tenantRows';

/** A change of a person's e-mail address that waits for its confirmation at the new address. */
export const emailChanges = pgTable(
  'email_changes',
  {
    id: key(),
    /** The membership in whose session it was asked for. */
    tenantId: uuid('tenant_id').notNull(),
    staffId: uuid('staff_id').notNull(),
    userId: uuid('user_id').notNull(),
    /** The address at that time, and the new one, in their normal forms. */
    fromEmail: text('from_email').notNull(),
    toEmail: text('to_email').notNull(),
    createdAt: instant('created_at').notNull().defaultNow(),
    expiresAt: instant('expires_at').notNull(),
    confirmedAt: instant('confirmed_at'),
    /** When it was replaced or ended without being confirmed. */
    endedAt: instant('ended_at'),
  },
  (table) => [
    foreignKey({
      name: 'email_changes_staff_fk',
      columns: [table.tenantId, table.staffId, table.userId],
      foreignColumns: [tenantStaff.tenantId, tenantStaff.id, tenantStaff.userId],
    }),
    index('idx_email_changes_user').on(table.userId),
    tenantRows('email_changes'),
  ],
);
