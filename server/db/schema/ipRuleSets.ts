import { sql } from 'drizzle-orm';
import { check, integer, pgTable, uuid } from 'drizzle-orm/pg-core';
import { instant } from './columns';
import { tenantRows } from './tenantRows';
import { tenants } from './tenants';

/** The IP rules of a tenant as a whole: their version, a trial, a suspension. A tenant without a row has no rules. */
export const ipRuleSets = pgTable(
  'ip_rule_sets',
  {
    tenantId: uuid('tenant_id')
      .primaryKey()
      .references(() => tenants.id),
    /** Grows with each change of the set or of its rules; triggers raise it, also for changes by SQL. */
    version: integer('version').notNull().default(1),
    /** Since when rules are tried out; null if none are. */
    trialStartedAt: instant('trial_started_at'),
    /** Until when the rules that are marked as a trial are in force, instead of the others. */
    trialEndsAt: instant('trial_ends_at'),
    /** The staff id of the administrator who started the trial. */
    trialBy: uuid('trial_by'),
    /** Since when an operator has suspended all rules; null if none has. */
    suspendedAt: instant('suspended_at'),
    updatedAt: instant('updated_at').notNull().defaultNow(),
  },
  (table) => [
    check(
      'ip_rule_sets_trial_whole',
      sql`num_nulls(${table.trialStartedAt}, ${table.trialEndsAt}, ${table.trialBy}) IN (0, 3)`,
    ),
    tenantRows('ip_rule_sets'),
  ],
);
