import { sql } from 'drizzle-orm';
import { bigint, foreignKey, index, pgTable, text, uniqueIndex, uuid } from 'drizzle-orm/pg-core';
import { bytea, instant, key } from './columns';
import { tenantStaff } from './tenantStaff';
import { tenantRows } from './tenantRows';

/**
 * A TOTP authenticator of one staff member, who may have several. It belongs to one membership,
 * because a tenant's administrators are responsible for their own staff only.
 */
export const userTotp = pgTable(
  'user_totp',
  {
    id: key(),
    tenantId: uuid('tenant_id').notNull(),
    userId: uuid('user_id').notNull(),
    staffId: uuid('staff_id').notNull(),
    /** The name that its owner chose. */
    name: text('name').notNull().default('Authenticator'),
    /** AES-256-GCM: nonce, tag, ciphertext; bound to tenant, staff and this row's id. */
    secretSealed: bytea('secret_sealed').notNull(),
    /** Identifies the ENCRYPTION_KEY that sealed it; null in older rows. */
    keyId: text('key_id'),
    createdAt: instant('created_at').notNull().defaultNow(),
    confirmedAt: instant('confirmed_at'),
    lastUsedAt: instant('last_used_at'),
    /**
     * RFC 6238 5.2: a time step is accepted once, and an earlier step is never accepted after a
     * later one.
     */
    lastUsedStep: bigint('last_used_step', { mode: 'number' }),
  },
  (table) => [
    foreignKey({
      name: 'user_totp_staff_fk',
      columns: [table.tenantId, table.staffId, table.userId],
      foreignColumns: [tenantStaff.tenantId, tenantStaff.id, tenantStaff.userId],
    }),
    index('idx_user_totp_staff').on(table.staffId),
    uniqueIndex('user_totp_pending_unique')
      .on(table.staffId)
      .where(sql`${table.confirmedAt} IS NULL`),
    tenantRows('user_totp'),
  ],
);
