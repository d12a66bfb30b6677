import {
  bigint,
  boolean,
  foreignKey,
  index,
  pgTable,
  text,
  unique,
  uuid,
} from 'drizzle-orm/pg-core';
import { bytea, instant, key } from './columns';
import { tenantStaff } from './tenantStaff';
import { tenantRows } from './tenantRows';

/** A passkey (WebAuthn credential) of one staff member. */
export const passkeys = pgTable(
  'passkeys',
  {
    id: key(),
    tenantId: uuid('tenant_id').notNull(),
    userId: uuid('user_id').notNull(),
    staffId: uuid('staff_id').notNull(),
    name: text('name').notNull(),
    /** Base64url, as the authenticator sent it. */
    credentialId: text('credential_id').notNull(),
    publicKey: bytea('public_key').notNull(),
    /**
     * WebAuthn 6.1.1: a counter that does not grow indicates a copied passkey. It is 0 if the
     * authenticator has no counter.
     */
    counter: bigint('counter', { mode: 'number' }).notNull().default(0),
    transports: text('transports').array().notNull(),
    backedUp: boolean('backed_up').notNull(),
    /** WebAuthn 6.1.3, flag BE: whether the passkey may be backed up. Null in older rows. */
    backupEligible: boolean('backup_eligible'),
    createdAt: instant('created_at').notNull().defaultNow(),
    lastUsedAt: instant('last_used_at'),
  },
  (table) => [
    foreignKey({
      name: 'passkeys_staff_fk',
      columns: [table.tenantId, table.staffId, table.userId],
      foreignColumns: [tenantStaff.tenantId, tenantStaff.id, tenantStaff.userId],
    }),
    unique('passkeys_credential_unique').on(table.credentialId),
    index('idx_passkeys_staff').on(table.staffId),
    tenantRows('passkeys'),
  ],
);
