import { sql } from 'drizzle-orm';
import {
  foreignKey,
  index,
  integer,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import { instant } from './columns';
import { tenantRows } from './tenantRows';
import { tenantStaff } from './tenantStaff';

/**
 * What the directory of a tenant says about a member, by SCIM. None of it is the person's own name or
 * address, and no sign-in reads it.
 */
export const scimUsers = pgTable(
  'scim_users',
  {
    tenantId: uuid('tenant_id').notNull(),
    staffId: uuid('staff_id').notNull(),
    userId: uuid('user_id').notNull(),
    userName: text('user_name').notNull(),
    externalId: text('external_id'),
    displayName: text('display_name'),
    givenName: text('given_name'),
    familyName: text('family_name'),
    formattedName: text('formatted_name'),
    email: text('email'),
    /** Grows with each change by SCIM, for ETags. */
    version: integer('version').notNull().default(1),
    createdAt: instant('created_at').notNull().defaultNow(),
    updatedAt: instant('updated_at').notNull().defaultNow(),
    /**
     * The `disabled_at` that SCIM gave the membership. Only if it is still the same, SCIM may enable
     * the member again.
     */
    disabledAt: instant('disabled_at'),
    /** The `removed_at` that SCIM gave the membership. Only then SCIM may make it new again. */
    removedAt: instant('removed_at'),
    /** When the directory deleted the user; null while it knows them. */
    deletedAt: instant('deleted_at'),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.staffId] }),
    foreignKey({
      name: 'scim_users_staff_fk',
      columns: [table.tenantId, table.staffId, table.userId],
      foreignColumns: [tenantStaff.tenantId, tenantStaff.id, tenantStaff.userId],
    }),
    uniqueIndex('scim_users_name_unique')
      .on(table.tenantId, sql`lower(${table.userName})`)
      .where(sql`${table.deletedAt} IS NULL`),
    index('idx_scim_users_external').on(table.tenantId, table.externalId),
    tenantRows('scim_users'),
  ],
);
