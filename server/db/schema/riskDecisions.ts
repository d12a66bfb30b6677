import { sql } from 'drizzle-orm';
import { char, check, index, integer, jsonb, pgTable, text, uuid } from 'drizzle-orm/pg-core';
import { instant } from './columns';
import { riskDecision, riskMoment, riskOutcome, riskVerdict } from './enums';

/**
 * One decision of the risk gate, and why. No foreign keys: like the audit log it outlives what it tells of, and many
 * are written together, of which none may hold up the others.
 */
export const riskDecisions = pgTable(
  'risk_decisions',
  {
    /** Made by the server, not here: a row that was written and not confirmed is written again, once. */
    id: uuid('id').primaryKey(),
    tenantId: uuid('tenant_id').notNull(),
    staffId: uuid('staff_id').notNull(),
    sessionId: uuid('session_id'),
    at: riskMoment('at').notNull(),
    occurredAt: instant('occurred_at').notNull(),
    score: integer('score').notNull(),
    /** Codes of the signals that counted. */
    reasons: text('reasons').array().notNull(),
    /** Codes of all signals that saw something, joined by commas: what a simulation weighs anew. */
    seen: text('seen').notNull(),
    /** What each of them saw and added. */
    signals: jsonb('signals').notNull(),
    /** What the policy says to such a score. */
    decision: riskDecision('decision').notNull(),
    /** What became of it. */
    outcome: riskOutcome('outcome').notNull(),
    /** Of the policy; 0 for the defaults, null where none could be read. */
    policyVersion: integer('policy_version'),
    /** Why there was no scoring; null where there was. */
    degraded: text('degraded'),
    /** Microseconds that scoring took. */
    spentUs: integer('spent_us').notNull(),
    ip: text('ip'),
    country: char('country', { length: 2 }),
    correlationId: text('correlation_id').notNull(),
    verdict: riskVerdict('verdict'),
    verdictBy: uuid('verdict_by'),
    verdictAt: instant('verdict_at'),
    verdictNote: text('verdict_note'),
  },
  (table) => [
    check('risk_decisions_score', sql`${table.score} BETWEEN 0 AND 100`),
    check(
      'risk_decisions_verdict',
      sql`(${table.verdict} IS NULL) = (${table.verdictAt} IS NULL) AND (${table.verdict} IS NULL) = (${table.verdictBy} IS NULL)`,
    ),
    index('idx_risk_decisions_tenant').on(table.tenantId, table.occurredAt, table.id),
    index('idx_risk_decisions_staff').on(table.tenantId, table.staffId, table.occurredAt, table.id),
    index('idx_risk_decisions_notable')
      .on(table.tenantId, table.occurredAt, table.id)
      .where(sql`${table.seen} <> ''`),
    // Rows come in the order of time: a page range tells as much as a tree, at no cost to the writer.
    index('idx_risk_decisions_age').using('brin', table.occurredAt),
  ],
);
