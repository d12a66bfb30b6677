import { foreignKey, pgTable, text, uuid } from 'drizzle-orm/pg-core';
import { instant } from './columns';
import { tenantStaff } from './tenantStaff';
import { tenantRows } from './tenantRows';

/** A passkey registration in progress. Only the newest attempt of each staff member is kept. */
export const passkeyRegistrations = pgTable(
  'passkey_registrations',
  {
    staffId: uuid('staff_id').primaryKey(),
    tenantId: uuid('tenant_id').notNull(),
    userId: uuid('user_id').notNull(),
    /** The challenge that the authenticator has to sign. */
    challenge: text('challenge').notNull(),
    expiresAt: instant('expires_at').notNull(),
  },
  (table) => [
    foreignKey({
      name: 'passkey_registrations_staff_fk',
      columns: [table.tenantId, table.staffId, table.userId],
      foreignColumns: [tenantStaff.tenantId, tenantStaff.id, tenantStaff.userId],
    }),
    tenantRows('passkey_registrations'),
  ],
);
