import { boolean, foreignKey, index, pgTable, text, unique, uuid } from 'drizzle-orm/pg-core';
import { instant, key } from './columns';
import { tenantStaff } from './tenantStaff';
import { tenantRows } from './tenantRows';

/**
 * An address block that a staff member has signed in from. A lockout leaves such an address its own
 * tries.
 */
export const knownAddresses = pgTable(
  'known_addresses',
  {
    id: key(),
    tenantId: uuid('tenant_id').notNull(),
    userId: uuid('user_id').notNull(),
    staffId: uuid('staff_id').notNull(),
    /** HMAC of the address block, so that this table does not list addresses. */
    addressHash: text('address_hash').notNull(),
    firstSeenAt: instant('first_seen_at').notNull().defaultNow(),
    lastSeenAt: instant('last_seen_at').notNull().defaultNow(),
    /**
     * The session in which it was learned first. If that session was a thief's, it is forgotten.
     */
    sessionId: uuid('session_id'),
    /** Only sessions of the tenant's provider have taught it, so it counts in this tenant alone. */
    byProvider: boolean('by_provider').notNull().default(false),
  },
  (table) => [
    foreignKey({
      name: 'known_addresses_staff_fk',
      columns: [table.tenantId, table.staffId, table.userId],
      foreignColumns: [tenantStaff.tenantId, tenantStaff.id, tenantStaff.userId],
    }),
    unique('known_addresses_staff_address_unique').on(table.staffId, table.addressHash),
    index('idx_known_addresses_user').on(table.userId),
    index('idx_known_addresses_address').on(table.addressHash),
    tenantRows('known_addresses'),
  ],
);
