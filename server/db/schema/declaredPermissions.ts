import { sql } from 'drizzle-orm';
import { boolean, check, pgTable, text } from 'drizzle-orm/pg-core';
import { instant } from './columns';

/**
 * The permissions of the team's own API, which the operator declares for all tenants. So this table
 * has no tenant id.
 */
export const declaredPermissions = pgTable(
  'declared_permissions',
  {
    name: text('name').primaryKey(),
    /** A sentence for the people who give roles. */
    description: text('description').notNull(),
    /** Giving it needs an approval, if the tenant's policy asks for approvals. */
    privileged: boolean('privileged').notNull().default(false),
    declaredAt: instant('declared_at').notNull().defaultNow(),
    /** Since when nobody can be given it; null while it can be given. */
    withdrawnAt: instant('withdrawn_at'),
  },
  (table) => [
    check(
      'declared_permissions_name_format',
      sql`${table.name} ~ '^app:[a-z0-9][a-z0-9._-]{0,59}$'`,
    ),
  ],
);
