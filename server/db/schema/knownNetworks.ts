import { foreignKey, pgTable, text, unique, uuid } from 'drizzle-orm/pg-core';
import { instant, key } from './columns';
import { tenantStaff } from './tenantStaff';
import { tenantRows } from './tenantRows';

/**
 * A network that a staff member has signed in from, with the last time: `AS64496` or an address
 * prefix.
 */
export const knownNetworks = pgTable(
  'known_networks',
  {
    id: key(),
    tenantId: uuid('tenant_id').notNull(),
    userId: uuid('user_id').notNull(),
    staffId: uuid('staff_id').notNull(),
    network: text('network').notNull(),
    firstSeenAt: instant('first_seen_at').notNull().defaultNow(),
    lastSeenAt: instant('last_seen_at').notNull().defaultNow(),
    /**
     * The session in which it was learned first. If that session was a thief's, it is forgotten.
     */
    sessionId: uuid('session_id'),
  },
  (table) => [
    foreignKey({
      name: 'known_networks_staff_fk',
      columns: [table.tenantId, table.staffId, table.userId],
      foreignColumns: [tenantStaff.tenantId, tenantStaff.id, tenantStaff.userId],
    }),
    unique('known_networks_staff_network_unique').on(table.staffId, table.network),
    tenantRows('known_networks'),
  ],
);
