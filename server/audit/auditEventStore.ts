import type { Tx } from '../db';
import { auditLogs } from '../db/schema';
import type { AuditOutcome } from '../db/schema';
import type { AuditAction } from './actions';

/** A row of `audit_logs` by its column names. The database sets `id` and `occurred_at`. */
export interface AuditRow {
  tenant_id: string | null;
  action: AuditAction;
  outcome: AuditOutcome;
  actor: string;
  subject: string | null;
  on_behalf_of: string | null;
  session_id: string | null;
  ip: string | null;
  country: string | null;
  user_agent: string | null;
  correlation_id: string;
  details: Record<string, unknown>;
}

/**
 * Returns SQL for a full row of `audit_logs`, made from one JSON document (an {@link AuditRow}). Hot statements use
 * it to append their own event.
 * @param json an SQL expression of type jsonb
 */
export const auditRowFromJson = (json: string): string =>
  `jsonb_populate_record(NULL::audit_logs, jsonb_build_object('id', gatehouse_uuid_v7(), 'occurred_at', clock_timestamp()) || ${json})`;

const toColumns = (row: AuditRow): typeof auditLogs.$inferInsert => ({
  tenantId: row.tenant_id,
  action: row.action,
  outcome: row.outcome,
  actor: row.actor,
  subject: row.subject,
  onBehalfOf: row.on_behalf_of,
  sessionId: row.session_id,
  ip: row.ip,
  country: row.country,
  userAgent: row.user_agent,
  correlationId: row.correlation_id,
  details: row.details,
});

/** A statement has at most 65,535 parameters, and a row has twelve. */
const MOST_ROWS = 500;

/** Appends rows to the audit log, in their order. */
export async function insertAuditRows(tx: Tx, rows: readonly AuditRow[]): Promise<void> {
  for (let from = 0; from < rows.length; from += MOST_ROWS) {
    await tx.insert(auditLogs).values(rows.slice(from, from + MOST_ROWS).map(toColumns));
  }
}
