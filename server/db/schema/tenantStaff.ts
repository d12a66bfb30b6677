import { sql } from 'drizzle-orm';
import { boolean, index, integer, pgTable, text, unique, uuid } from 'drizzle-orm/pg-core';
import { instant, key } from './columns';
import { accountStatus } from './enums';
import { tenantRows } from './tenantRows';
import { tenants } from './tenants';
import { users } from './users';

export const tenantStaff = pgTable(
  'tenant_staff',
  {
    id: key(),
    tenantId: uuid('tenant_id')
      .notNull()
      .references(() => tenants.id),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    /** The names of built-in roles, and the ids of the tenant's own roles. */
    roles: text('roles')
      .array()
      .notNull()
      .default(sql`'{}'::text[]`),
    /**
     * The permissions in effect: those of the roles, and those that were granted directly. Every
     * request reads this list.
     */
    permissions: text('permissions')
      .array()
      .notNull()
      .default(sql`'{}'::text[]`),
    status: accountStatus('status').notNull().default('active'),
    /**
     * Every access and refresh token carries the version under which it was issued. Raising the
     * version ends them all.
     */
    sessionVersion: integer('session_version').notNull().default(1),
    /**
     * The next login needs a second proof, whatever its score, because somebody else had a session.
     */
    mustProveLogin: boolean('must_prove_login').notNull().default(false),
    createdAt: instant('created_at').notNull().defaultNow(),
    disabledAt: instant('disabled_at'),
    removedAt: instant('removed_at'),
    /** From this time on they may not sign in, and are removed. Null if the membership has no end. */
    endsAt: instant('ends_at'),
  },
  (table) => [
    unique('tenant_staff_tenant_user_unique').on(table.tenantId, table.userId),
    // The target of every foreign key that keeps a tenant's rows within the tenant.
    unique('tenant_staff_identity_unique').on(table.tenantId, table.id, table.userId),
    unique('tenant_staff_user_tenant_unique').on(table.userId, table.tenantId),
    index('idx_tenant_staff_ends')
      .on(table.endsAt)
      .where(sql`${table.endsAt} IS NOT NULL`),
    tenantRows('tenant_staff'),
  ],
);
