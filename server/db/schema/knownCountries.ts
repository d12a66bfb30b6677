import { char, foreignKey, pgTable, unique, uuid } from 'drizzle-orm/pg-core';
import { instant, key } from './columns';
import { tenantStaff } from './tenantStaff';
import { tenantRows } from './tenantRows';

/**
 * A country that a staff member has signed in from, with the last time. The table stays bounded,
 * however long the history is.
 */
export const knownCountries = pgTable(
  'known_countries',
  {
    id: key(),
    tenantId: uuid('tenant_id').notNull(),
    userId: uuid('user_id').notNull(),
    staffId: uuid('staff_id').notNull(),
    country: char('country', { length: 2 }).notNull(),
    firstSeenAt: instant('first_seen_at').notNull().defaultNow(),
    lastSeenAt: instant('last_seen_at').notNull().defaultNow(),
    /**
     * The session in which it was learned first. If that session was a thief's, it is forgotten.
     */
    sessionId: uuid('session_id'),
  },
  (table) => [
    foreignKey({
      name: 'known_countries_staff_fk',
      columns: [table.tenantId, table.staffId, table.userId],
      foreignColumns: [tenantStaff.tenantId, tenantStaff.id, tenantStaff.userId],
    }),
    unique('known_countries_staff_country_unique').on(table.staffId, table.country),
    tenantRows('known_countries'),
  ],
);
