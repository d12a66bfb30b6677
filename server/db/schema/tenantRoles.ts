import { sql } from 'drizzle-orm';
import { pgTable, text, uniqueIndex, uuid } from 'drizzle-orm/pg-core';
import { instant, key } from './columns';
import { tenants } from './tenants';
import { tenantRows } from './tenantRows';

/** A tenant's own roles. The built-in roles are in the code, and have no rows. */
export const tenantRoles = pgTable(
  'tenant_roles',
  {
    id: key(),
    tenantId: uuid('tenant_id')
      .notNull()
      .references(() => tenants.id),
    name: text('name').notNull(),
    description: text('description').notNull().default(''),
    permissions: text('permissions')
      .array()
      .notNull()
      .default(sql`'{}'::text[]`),
    createdAt: instant('created_at').notNull().defaultNow(),
    updatedAt: instant('updated_at').notNull().defaultNow(),
  },
  (table) => [
    uniqueIndex('tenant_roles_tenant_name_unique').on(table.tenantId, sql`lower(${table.name})`),
    tenantRows('tenant_roles'),
  ],
);
