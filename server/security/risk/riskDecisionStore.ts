import type { Pool } from 'pg';
import { and, arrayContains, desc, eq, gte, isNotNull, isNull, lt, sql } from 'drizzle-orm';
import { runPrepared } from '../../db';
import type { Db, PreparedStatement, Tx } from '../../db';
import { riskDecisions, tenantStaff, users } from '../../db/schema';
import type { RiskDecision, RiskMoment, RiskOutcome, RiskVerdict } from '../../db/schema';
import { acrossTenants, clientAcrossTenants, inTenant } from '../../db/tenantScope';
import type { TimeCursor } from '../../http/timeCursor';
import type { SeenSignal } from './score';

/** One decision as it is stored; the field names are those of the columns. */
export interface DecisionRow {
  id: string;
  tenant_id: string;
  staff_id: string;
  session_id: string | null;
  at: RiskMoment;
  occurred_at: Date;
  score: number;
  reasons: readonly string[];
  seen: string;
  signals: readonly SeenSignal[];
  decision: RiskDecision;
  outcome: RiskOutcome;
  policy_version: number | null;
  degraded: string | null;
  spent_us: number;
  ip: string | null;
  country: string | null;
  correlation_id: string;
}

const INSERT: PreparedStatement = {
  name: 'insert_risk_decisions',
  text: `INSERT INTO risk_decisions (id, tenant_id, staff_id, session_id, at, occurred_at, score, reasons, seen, signals,
      decision, outcome, policy_version, degraded, spent_us, ip, country, correlation_id)
    SELECT id, tenant_id, staff_id, session_id, at, occurred_at, score, reasons, seen, signals,
      decision, outcome, policy_version, degraded, spent_us, ip, country, correlation_id
    FROM jsonb_populate_recordset(NULL::risk_decisions, $1::jsonb)
    ON CONFLICT (id) DO NOTHING`,
};

/** Inserts many rows at once; rows that already exist stay unchanged. */
export async function insertDecisions(pool: Pool, rows: readonly DecisionRow[]): Promise<void> {
  await clientAcrossTenants(pool, 'risk', (client) =>
    runPrepared(client, INSERT, [JSON.stringify(rows)]),
  );
}

export interface DecisionFilter {
  staffId?: string | undefined;
  sessionId?: string | undefined;
  correlationId?: string | undefined;
  at?: RiskMoment | undefined;
  decision?: RiskDecision | undefined;
  outcome?: RiskOutcome | undefined;
  verdict?: RiskVerdict | 'none' | undefined;
  reason?: string | undefined;
  minScore?: number | undefined;
  degraded?: boolean | undefined;
  /** Inclusive. */
  from?: Date | undefined;
  /** Exclusive. */
  to?: Date | undefined;
}

const columns = {
  id: riskDecisions.id,
  staffId: riskDecisions.staffId,
  email: users.email,
  sessionId: riskDecisions.sessionId,
  at: riskDecisions.at,
  occurredAt: riskDecisions.occurredAt,
  score: riskDecisions.score,
  reasons: riskDecisions.reasons,
  signals: riskDecisions.signals,
  decision: riskDecisions.decision,
  outcome: riskDecisions.outcome,
  policyVersion: riskDecisions.policyVersion,
  degraded: riskDecisions.degraded,
  spentUs: riskDecisions.spentUs,
  ip: riskDecisions.ip,
  country: riskDecisions.country,
  correlationId: riskDecisions.correlationId,
  verdict: riskDecisions.verdict,
  verdictBy: riskDecisions.verdictBy,
  verdictAt: riskDecisions.verdictAt,
  verdictNote: riskDecisions.verdictNote,
};

const select = (db: Db | Tx) =>
  db
    .select(columns)
    .from(riskDecisions)
    .leftJoin(
      tenantStaff,
      and(
        eq(tenantStaff.tenantId, riskDecisions.tenantId),
        eq(tenantStaff.id, riskDecisions.staffId),
      ),
    )
    .leftJoin(users, eq(users.id, tenantStaff.userId));

export type StoredDecision = Awaited<ReturnType<typeof listDecisions>>[number];

function toCondition(tenantId: string, filter: DecisionFilter) {
  const { staffId, sessionId, correlationId, at, decision, outcome, verdict, reason } = filter;
  const t = riskDecisions;
  const verdictIs = (wanted: RiskVerdict | 'none') =>
    wanted === 'none' ? isNull(t.verdict) : eq(t.verdict, wanted);
  return and(
    eq(t.tenantId, tenantId),
    staffId === undefined ? undefined : eq(t.staffId, staffId),
    sessionId === undefined ? undefined : eq(t.sessionId, sessionId),
    correlationId === undefined ? undefined : eq(t.correlationId, correlationId),
    at === undefined ? undefined : eq(t.at, at),
    decision === undefined ? undefined : eq(t.decision, decision),
    outcome === undefined ? undefined : eq(t.outcome, outcome),
    verdict === undefined ? undefined : verdictIs(verdict),
    reason === undefined ? undefined : arrayContains(t.reasons, [reason]),
    filter.minScore === undefined ? undefined : gte(t.score, filter.minScore),
    filter.degraded === undefined
      ? undefined
      : filter.degraded
        ? isNotNull(t.degraded)
        : isNull(t.degraded),
    filter.from === undefined ? undefined : gte(t.occurredAt, filter.from),
    filter.to === undefined ? undefined : lt(t.occurredAt, filter.to),
  );
}

/** Lists the decisions that match the filter, newest first. */
export function listDecisions(
  db: Db,
  tenantId: string,
  query: { filter: DecisionFilter; below?: TimeCursor | undefined; limit: number },
) {
  const { below } = query;
  const { occurredAt, id } = riskDecisions;
  const page =
    below &&
    sql`(${occurredAt}, ${id}) < (${below.occurredAt.toISOString()}::timestamptz, ${below.id}::uuid)`;
  return inTenant(db, tenantId, (tx) =>
    select(tx)
      .where(and(toCondition(tenantId, query.filter), page))
      .orderBy(desc(occurredAt), desc(id))
      .limit(query.limit),
  );
}

/** @param lock true if the row will be changed in the same transaction */
export function findDecision(
  db: Db | Tx,
  tenantId: string,
  id: string,
  lock = false,
): Promise<StoredDecision | undefined> {
  return inTenant(db, tenantId, async (tx) => {
    const query = select(tx).where(
      and(eq(riskDecisions.tenantId, tenantId), eq(riskDecisions.id, id)),
    );
    const [row] = await (lock ? query.for('update', { of: riskDecisions }) : query);
    return row;
  });
}

export async function setVerdict(
  tx: Tx,
  tenantId: string,
  id: string,
  given: { verdict: RiskVerdict; note: string | null; staffId: string; now: Date },
): Promise<void> {
  await tx
    .update(riskDecisions)
    .set({
      verdict: given.verdict,
      verdictBy: given.staffId,
      verdictAt: given.now,
      verdictNote: given.note,
    })
    .where(and(eq(riskDecisions.tenantId, tenantId), eq(riskDecisions.id, id)));
}

/**
 * Deletes expired decisions, except those with a verdict.
 * @param most the limit for one statement, because a long one would hold up vacuum
 * @returns how many rows were deleted
 */
export function purgeDecisions(db: Db, before: Date, most = 5000): Promise<number> {
  return acrossTenants(db, 'purge', async (tx) => {
    const old = tx
      .select({ id: riskDecisions.id })
      .from(riskDecisions)
      .where(and(lt(riskDecisions.occurredAt, before), isNull(riskDecisions.verdict)))
      .limit(most);
    // Repeat the condition in the DELETE itself: a verdict given while this waits for the row keeps
    // it.
    const { rowCount } = await tx
      .delete(riskDecisions)
      .where(and(sql`${riskDecisions.id} IN ${old}`, isNull(riskDecisions.verdict)));
    return rowCount ?? 0;
  });
}
