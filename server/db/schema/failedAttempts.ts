import { sql } from 'drizzle-orm';
import { index, integer, pgEnum, pgTable, primaryKey, text } from 'drizzle-orm/pg-core';
import { instant } from './columns';

/**
 * The kinds of counters. `account`, `known_device`, `known_network` and `after_factor` count the
 * passwords tried for an account, `ip` those of an address, `global` all logins, `step_up` codes,
 * and `enrolment` attempts to enrol a factor.
 */
export const attemptScope = pgEnum('attempt_scope', [
  'account',
  'known_device',
  'ip',
  'global',
  'step_up',
  'known_network',
  'after_factor',
  'enrolment',
]);

/**
 * Counters that all nodes share. Subjects are keyed hashes, so that this table does not list e-mail
 * addresses. It has no tenant id, because a password is guessed before any tenant is known.
 */
export const failedAttempts = pgTable(
  'failed_attempts',
  {
    scope: attemptScope('scope').notNull(),
    subject: text('subject').notNull(),
    /** Failures in the current window. */
    failures: integer('failures').notNull().default(0),
    windowStartedAt: instant('window_started_at').notNull().defaultNow(),
    /** Tries since the last success. Each is counted before it is evaluated. */
    tries: integer('tries').notNull().default(0),
    /** Only for scope `ip`: the first few accounts that failed in the current window. */
    accounts: text('accounts')
      .array()
      .notNull()
      .default(sql`'{}'::text[]`),
    updatedAt: instant('updated_at').notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ name: 'failed_attempts_pk', columns: [table.scope, table.subject] }),
    index('idx_failed_attempts_updated').on(table.updatedAt),
  ],
);
