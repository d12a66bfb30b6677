import { sql } from 'drizzle-orm';
import { check, foreignKey, integer, pgTable, uuid } from 'drizzle-orm/pg-core';
import { instant } from './columns';
import { tenantStaff } from './tenantStaff';
import { tenantRows } from './tenantRows';

/**
 * The hours at which a staff member signs in. There is one row for each person and membership,
 * however long the history is.
 */
export const staffHabits = pgTable(
  'staff_habits',
  {
    staffId: uuid('staff_id').primaryKey(),
    tenantId: uuid('tenant_id').notNull(),
    userId: uuid('user_id').notNull(),
    /** Successful logins by hour of the day in UTC, from 0 to 23. */
    hours: integer('hours')
      .array()
      .notNull()
      .default(sql`array_fill(0, ARRAY[24])`),
    lastLoginAt: instant('last_login_at').notNull().defaultNow(),
  },
  (table) => [
    foreignKey({
      name: 'staff_habits_staff_fk',
      columns: [table.tenantId, table.staffId, table.userId],
      foreignColumns: [tenantStaff.tenantId, tenantStaff.id, tenantStaff.userId],
    }),
    check('staff_habits_hours', sql`cardinality(${table.hours}) = 24`),
    tenantRows('staff_habits'),
  ],
);
