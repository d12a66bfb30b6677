import { sql } from 'drizzle-orm';
import type { Db } from '../../db';
import type { RiskOutcome, RiskVerdict } from '../../db/schema';
import { inTenant } from '../../db/tenantScope';

/** A group of decisions with the same signals, outcome and verdict. */
export interface DecisionGroup {
  seen: string;
  outcome: RiskOutcome;
  skipped: boolean;
  verdict: RiskVerdict | null;
  count: number;
}

interface Span {
  from: Date;
  to: Date;
}

/** Leave out `passed`: a login that was repeated with its proof is one login. */
const inSpan = (tenantId: string, { from, to }: Span) =>
  sql`tenant_id = ${tenantId} AND occurred_at >= ${from.toISOString()} AND occurred_at < ${to.toISOString()}
    AND outcome <> 'passed'`;

/**
 * Counts the decisions of each combination. There are few combinations, whatever the number of
 * decisions.
 */
export function groupDecisions(db: Db, tenantId: string, span: Span): Promise<DecisionGroup[]> {
  return inTenant(db, tenantId, async (tx) => {
    const { rows } = await tx.execute<DecisionGroup & Record<string, unknown>>(
      sql`SELECT seen, outcome, degraded IS NOT NULL AS skipped, verdict, count(*)::int AS count
      FROM risk_decisions WHERE ${inSpan(tenantId, span)} GROUP BY 1, 2, 3, 4`,
    );
    return rows;
  });
}

/** The effect that a proposed policy would have had on one person. */
export interface AffectedPerson {
  staffId: string;
  email: string | null;
  challenged: number;
  blocked: number;
  /** The number of both with the verdict legitimate. */
  legitimate: number;
}

/**
 * Lists the people who would have been affected, most affected first.
 * @param query.challenged the combinations that would have been challenged
 * @param query.blocked the combinations that would have been blocked
 */
export function listAffected(
  db: Db,
  tenantId: string,
  query: Span & { challenged: string[]; blocked: string[]; limit: number },
): Promise<AffectedPerson[]> {
  return inTenant(db, tenantId, async (tx) => {
    const challenged = sql`seen = ANY(${sql.param(query.challenged)}::text[])`;
    const blocked = sql`seen = ANY(${sql.param(query.blocked)}::text[])`;
    const { rows } = await tx.execute<AffectedPerson & Record<string, unknown>>(
      sql`SELECT d.staff_id AS "staffId", u.email, d.challenged, d.blocked, d.legitimate FROM (
        SELECT staff_id, (count(*) FILTER (WHERE ${challenged}))::int AS challenged,
          (count(*) FILTER (WHERE ${blocked}))::int AS blocked,
          (count(*) FILTER (WHERE verdict = 'legitimate'))::int AS legitimate
        FROM risk_decisions
        WHERE ${inSpan(tenantId, query)} AND seen <> '' AND (${challenged} OR ${blocked})
        GROUP BY staff_id ORDER BY blocked DESC, challenged DESC, staff_id LIMIT ${query.limit}) d
      LEFT JOIN tenant_staff st ON st.tenant_id = ${tenantId} AND st.id = d.staff_id
      LEFT JOIN users u ON u.id = st.user_id
      ORDER BY d.blocked DESC, d.challenged DESC, d.staff_id`,
    );
    return rows;
  });
}
