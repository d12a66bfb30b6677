import { index, integer, pgEnum, pgTable, primaryKey, text } from 'drizzle-orm/pg-core';
import { instant } from './columns';

/** The policies of the rate limits: each counts another kind of caller. */
export const rateLimitScope = pgEnum('rate_limit_scope', [
  'address',
  'account',
  'tenant',
  'key',
  'events',
  'introspect',
]);

/**
 * The buckets of the rate limits, which all nodes share. The table is UNLOGGED: a crash or a
 * failover empties it, which only refills every bucket. Subjects are keyed hashes. It has no tenant
 * id, because an address belongs to no tenant and an account to several.
 */
export const rateLimits = pgTable(
  'rate_limits',
  {
    scope: rateLimitScope('scope').notNull(),
    subject: text('subject').notNull(),
    /** The tokens of this window that no node has taken yet. */
    tokens: integer('tokens').notNull(),
    /** The tokens that nodes took in the window before, if it ended when this one began. */
    previous: integer('previous').notNull().default(0),
    /** The tokens that the last statement asked for and got; it reads its own result here. */
    asked: integer('asked').notNull(),
    granted: integer('granted').notNull(),
    refillsAt: instant('refills_at').notNull(),
  },
  (table) => [
    primaryKey({ name: 'rate_limits_pk', columns: [table.scope, table.subject] }),
    index('idx_rate_limits_refills').on(table.refillsAt),
  ],
);
