import { foreignKey, pgTable, text, unique, uuid } from 'drizzle-orm/pg-core';
import { instant, key } from './columns';
import { tenantStaff } from './tenantStaff';
import { tenantRows } from './tenantRows';

/** A code for a person who has lost every other factor. It works once. */
export const recoveryCodes = pgTable(
  'recovery_codes',
  {
    id: key(),
    tenantId: uuid('tenant_id').notNull(),
    userId: uuid('user_id').notNull(),
    staffId: uuid('staff_id').notNull(),
    /** HMAC-SHA-256 of the code and its owner, under a key for this purpose only. */
    codeHash: text('code_hash').notNull(),
    /** Identifies the TOKEN_HASH_KEY that made the hash; null in older rows. */
    keyId: text('key_id'),
    createdAt: instant('created_at').notNull().defaultNow(),
    usedAt: instant('used_at'),
  },
  (table) => [
    foreignKey({
      name: 'recovery_codes_staff_fk',
      columns: [table.tenantId, table.staffId, table.userId],
      foreignColumns: [tenantStaff.tenantId, tenantStaff.id, tenantStaff.userId],
    }),
    unique('recovery_codes_staff_hash_unique').on(table.staffId, table.codeHash),
    tenantRows('recovery_codes'),
  ],
);
