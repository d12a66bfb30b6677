import { sql } from 'drizzle-orm';
import { boolean, check, pgTable, text } from 'drizzle-orm/pg-core';
import { instant, key } from './columns';
import { highRiskAction, tenantStatus } from './enums';

export const tenants = pgTable(
  'tenants',
  {
    id: key(),
    slug: text('slug').notNull().unique('tenants_slug_unique'),
    name: text('name').notNull(),
    status: tenantStatus('status').notNull().default('active'),
    /**
     * Moved to `risk_policies`. The previous release still reads it, so the next release drops it.
     */
    highRiskAction: highRiskAction('high_risk_action').notNull().default('block'),
    /** A privileged permission is given only if a second administrator approves it. */
    needsApproval: boolean('needs_approval').notNull().default(false),
    createdAt: instant('created_at').notNull().defaultNow(),
    suspendedAt: instant('suspended_at'),
    deletedAt: instant('deleted_at'),
  },
  (table) => [check('tenants_slug_format', sql`${table.slug} ~ '^[a-z0-9][a-z0-9-]{0,62}$'`)],
);
