import { sql } from 'drizzle-orm';
import { char, index, jsonb, pgTable, text, uuid } from 'drizzle-orm/pg-core';
import { instant, key, transactionId } from './columns';
import { auditOutcome } from './enums';

/**
 * One event. The table is append-only: a trigger refuses UPDATE, DELETE and TRUNCATE. It has no
 * foreign keys on purpose: evidence must outlive its subjects, and no change in another table may
 * affect it.
 */
export const auditLogs = pgTable(
  'audit_logs',
  {
    id: key(),
    /** Null for events of no tenant, such as a failed login with an unknown e-mail address. */
    tenantId: uuid('tenant_id'),
    /**
     * When the event was written, and not when its transaction began: an event of a long
     * transaction must not look back-dated.
     */
    occurredAt: instant('occurred_at')
      .notNull()
      .default(sql`clock_timestamp()`),
    action: text('action').notNull(),
    outcome: auditOutcome('outcome').notNull(),
    /** A staff id, `operator:<user>@<host>`, `system` or `anonymous`. */
    actor: text('actor').notNull(),
    /** The object of the action: `staff:<id>`, `session:<id>`, … */
    subject: text('subject'),
    /** The staff member who is impersonated, during an impersonation. */
    onBehalfOf: uuid('on_behalf_of'),
    sessionId: uuid('session_id'),
    ip: text('ip'),
    country: char('country', { length: 2 }),
    userAgent: text('user_agent'),
    correlationId: text('correlation_id').notNull(),
    /** Set by a trigger. By it the sealer recognises the events that it has not seen yet. */
    transactionId: transactionId('transaction_id')
      .notNull()
      .default(sql`pg_current_xact_id()`),
    details: jsonb('details').$type<Record<string, unknown>>().notNull().default({}),
  },
  (table) => [
    index('idx_audit_logs_kind').on(table.tenantId, table.action, table.outcome, table.occurredAt),
    // These indexes serve reads by one value. They are ordered by day first: otherwise each login
    // would write pages all over the index that no other write needs. They hold hashes of tenant
    // and value, which are half as long.
    index('idx_audit_logs_actor').on(
      sql`((${table.occurredAt} AT TIME ZONE 'UTC')::date)`,
      sql`uuid_hash_extended(${table.tenantId}, hashtextextended(${table.actor}, 0))`,
      table.occurredAt,
    ),
    index('idx_audit_logs_subject')
      .on(
        sql`((${table.occurredAt} AT TIME ZONE 'UTC')::date)`,
        sql`uuid_hash_extended(${table.tenantId}, hashtextextended(${table.subject}, 0))`,
        table.occurredAt,
      )
      .where(sql`${table.subject} IS NOT NULL`),
    index('idx_audit_logs_session')
      .on(
        sql`((${table.occurredAt} AT TIME ZONE 'UTC')::date)`,
        sql`uuid_hash_extended(${table.tenantId}, uuid_hash_extended(${table.sessionId}, 0))`,
        table.occurredAt,
      )
      .where(sql`${table.sessionId} IS NOT NULL`),
    index('idx_audit_logs_correlation').on(
      sql`((${table.occurredAt} AT TIME ZONE 'UTC')::date)`,
      sql`uuid_hash_extended(${table.tenantId}, hashtextextended(${table.correlationId}, 0))`,
      table.occurredAt,
    ),
    index('idx_audit_logs_tenant_time').on(table.tenantId, table.occurredAt, table.id),
    index('idx_audit_logs_transaction').on(table.transactionId, table.id),
  ],
);
