import { sql } from 'drizzle-orm';
import { check, integer, jsonb, pgTable, uuid } from 'drizzle-orm/pg-core';
import { instant } from './columns';
import { tenants } from './tenants';
import { tenantRows } from './tenantRows';

/** The risk policy that a tenant has chosen. A tenant without a row uses the defaults. */
export const riskPolicies = pgTable(
  'risk_policies',
  {
    tenantId: uuid('tenant_id')
      .primaryKey()
      .references(() => tenants.id),
    /** Grows by one with each change, so that a change based on an older version is detected. */
    version: integer('version').notNull().default(1),
    policy: jsonb('policy').notNull(),
    updatedAt: instant('updated_at').notNull().defaultNow(),
    /** Null if an operator or a migration wrote it. */
    updatedBy: uuid('updated_by'),
  },
  (table) => [
    check('risk_policies_version', sql`${table.version} >= 1`),
    check('risk_policies_policy', sql`jsonb_typeof(${table.policy}) = 'object'`),
    tenantRows('risk_policies'),
  ],
);
