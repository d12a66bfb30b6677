import { sql } from 'drizzle-orm';
import { char, check, index, integer, jsonb, pgTable, text, uuid } from 'drizzle-orm/pg-core';
import { instant } from './columns';
import { riskDecision, riskMoment, riskOutcome, riskVerdict } from './enums';
import { tenantRows } from './tenantRows';

/**
 * One decision of the risk gate, with its reasons. There are no foreign keys: like the audit log,
 * the decision outlives its subjects. Also, many rows are written together, and none may hold up
 * the others.
 */
export const riskDecisions = pgTable(
  'risk_decisions',
  {
    /**
     * Created by the server and not here, so that a row whose write was not confirmed can be
     * written again without being doubled.
     */
    id: uuid('id').primaryKey(),
    tenantId: uuid('tenant_id').notNull(),
    staffId: uuid('staff_id').notNull(),
    sessionId: uuid('session_id'),
    at: riskMoment('at').notNull(),
    occurredAt: instant('occurred_at').notNull(),
    score: integer('score').notNull(),
    /** Codes of the signals that counted. */
    reasons: text('reasons').array().notNull(),
    /**
     * Codes of all signals that saw something, joined by commas. A simulation weighs them again.
     */
    seen: text('seen').notNull(),
    /** The observation and the points of each of them. */
    signals: jsonb('signals').notNull(),
    /** The policy's decision for this score. */
    decision: riskDecision('decision').notNull(),
    /** The result of the decision. */
    outcome: riskOutcome('outcome').notNull(),
    /** The version of the policy; 0 for the defaults, null if none could be read. */
    policyVersion: integer('policy_version'),
    /** Why there was no scoring; null if there was. */
    degraded: text('degraded'),
    /** How many microseconds scoring took. */
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
    // Rows arrive in the order of time, so a BRIN index is as useful as a tree and costs the writer
    // nothing.
    index('idx_risk_decisions_age').using('brin', table.occurredAt),
    tenantRows('risk_decisions'),
  ],
);
