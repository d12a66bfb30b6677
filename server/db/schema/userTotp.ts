import { sql } from 'drizzle-orm';
import { customType, bigint, foreignKey, pgTable, uniqueIndex, uuid } from 'drizzle-orm/pg-core';
import { instant, key } from './columns';
import { tenantStaff } from './tenantStaff';

const bytea = customType<{ data: Buffer }>({ dataType: () => 'bytea' });

/** A TOTP authenticator of one staff member: a tenant's administrators answer for their own staff only. */
export const userTotp = pgTable(
  'user_totp',
  {
    id: key(),
    tenantId: uuid('tenant_id').notNull(),
    userId: uuid('user_id').notNull(),
    staffId: uuid('staff_id').notNull(),
    /** AES-256-GCM: nonce, tag, ciphertext; bound to tenant, staff and this row's id. */
    secretSealed: bytea('secret_sealed').notNull(),
    createdAt: instant('created_at').notNull().defaultNow(),
    confirmedAt: instant('confirmed_at'),
    /** RFC 6238 5.2: a time step is accepted once, and never an earlier one after a later one. */
    lastUsedStep: bigint('last_used_step', { mode: 'number' }),
  },
  (table) => [
    foreignKey({
      name: 'user_totp_staff_fk',
      columns: [table.tenantId, table.staffId, table.userId],
      foreignColumns: [tenantStaff.tenantId, tenantStaff.id, tenantStaff.userId],
    }),
    uniqueIndex('user_totp_confirmed_unique')
      .on(table.staffId)
      .where(sql`${table.confirmedAt} IS NOT NULL`),
    uniqueIndex('user_totp_pending_unique')
      .on(table.staffId)
      .where(sql`${table.confirmedAt} IS NULL`),
  ],
);
