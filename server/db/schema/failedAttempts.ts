import { sql } from 'drizzle-orm';
import { index, integer, pgEnum, pgTable, primaryKey, text } from 'drizzle-orm/pg-core';
import { instant } from './columns';

/**
 * `account`, `known_device`, `known_network` and `after_factor` count an account's passwords, `ip` an address, `global` all
 * logins, `step_up` codes, `enrolment` attempts to enrol a factor.
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
 * Counters shared by all nodes. Subjects are keyed hashes, so that this table is no list of e-mails; no
 * tenant id, because a password is guessed before any tenant is known.
 */
export const failedAttempts = pgTable(
  'failed_attempts',
  {
    scope: attemptScope('scope').notNull(),
    subject: text('subject').notNull(),
    /** Failures in the current window. */
    failures: integer('failures').notNull().default(0),
    windowStartedAt: instant('window_started_at').notNull().defaultNow(),
    /** Tries evaluated since the last success, counted before they are evaluated. */
    tries: integer('tries').notNull().default(0),
    /** Of scope `ip`: the accounts that failed in the current window, the first few of them. */
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
