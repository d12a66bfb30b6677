import { sql } from 'drizzle-orm';
import { boolean, check, cidr, pgTable, primaryKey, text, unique, uuid } from 'drizzle-orm/pg-core';
import { instant } from './columns';
import { ipRuleSets } from './ipRuleSets';
import { tenantRows } from './tenantRows';

/** One rule that allows or denies a range of addresses to the people or the API keys of a tenant. */
export const ipRules = pgTable(
  'ip_rules',
  {
    /** A rule in a trial keeps the id that it has outside the trial. */
    id: uuid('id')
      .notNull()
      .default(sql`gatehouse_uuid_v7()`),
    tenantId: uuid('tenant_id')
      .notNull()
      .references(() => ipRuleSets.tenantId),
    /** Whether it belongs to the rules that are tried out. */
    trial: boolean('trial').notNull().default(false),
    action: text('action').$type<'allow' | 'deny'>().notNull(),
    appliesTo: text('applies_to').$type<'people' | 'api_keys'>().notNull(),
    range: cidr('range').notNull(),
    note: text('note').notNull().default(''),
    /** Since when it is no longer in force; null if it has no end. */
    expiresAt: instant('expires_at'),
    createdAt: instant('created_at').notNull().defaultNow(),
    /** The staff id of the administrator who created it; null if nobody is known. */
    createdBy: uuid('created_by'),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.trial, table.id] }),
    unique('ip_rules_range_unique').on(
      table.tenantId,
      table.trial,
      table.appliesTo,
      table.action,
      table.range,
    ),
    check('ip_rules_action', sql`${table.action} IN ('allow', 'deny')`),
    check('ip_rules_applies_to', sql`${table.appliesTo} IN ('people', 'api_keys')`),
    tenantRows('ip_rules'),
  ],
);
