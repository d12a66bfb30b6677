import { boolean, foreignKey, index, pgTable, text, unique, uuid } from 'drizzle-orm/pg-core';
import { instant, key } from './columns';
import { tenantStaff } from './tenantStaff';
import { tenantRows } from './tenantRows';

/** A device that a staff member has signed in from, learned from successful logins. */
export const knownDevices = pgTable(
  'known_devices',
  {
    id: key(),
    tenantId: uuid('tenant_id').notNull(),
    userId: uuid('user_id').notNull(),
    staffId: uuid('staff_id').notNull(),
    /** HMAC of the id in the signed device cookie, or of the user agent if there was no cookie. */
    deviceHash: text('device_hash').notNull(),
    firstSeenAt: instant('first_seen_at').notNull().defaultNow(),
    lastSeenAt: instant('last_seen_at').notNull().defaultNow(),
    /**
     * The session in which it was learned first. If that session was a thief's, it is forgotten.
     */
    sessionId: uuid('session_id'),
    /** Only sessions of the tenant's provider have taught it, so it counts in this tenant alone. */
    byProvider: boolean('by_provider').notNull().default(false),
    /** Identifies the TOKEN_HASH_KEY that made the hash; null in older rows. */
    keyId: text('key_id'),
  },
  (table) => [
    foreignKey({
      name: 'known_devices_staff_fk',
      columns: [table.tenantId, table.staffId, table.userId],
      foreignColumns: [tenantStaff.tenantId, tenantStaff.id, tenantStaff.userId],
    }),
    unique('known_devices_staff_device_unique').on(table.staffId, table.deviceHash),
    index('idx_known_devices_user').on(table.userId),
    tenantRows('known_devices'),
  ],
);
