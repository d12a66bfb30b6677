import { char, foreignKey, pgTable, unique, uuid } from 'drizzle-orm/pg-core';
import { instant, key } from './columns';
import { tenantStaff } from './tenantStaff';

/** A country that a staff member has signed in from, and when last: bounded, whatever the history. */
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
    /** The session that taught it first: what a thief's session taught is forgotten with it. */
    sessionId: uuid('session_id'),
  },
  (table) => [
    foreignKey({
      name: 'known_countries_staff_fk',
      columns: [table.tenantId, table.staffId, table.userId],
      foreignColumns: [tenantStaff.tenantId, tenantStaff.id, tenantStaff.userId],
    }),
    unique('known_countries_staff_country_unique').on(table.staffId, table.country),
  ],
);
