import { sql } from 'drizzle-orm';
import type { Tx } from '../db';
import type { AuditOutcome } from '../db/schema';

/**
 * An event of the team's own product, as a service reported it. The database sets the time at which
 * it was received.
 */
export interface ReportedRow {
  id: string;
  tenant_id: string;
  action: `app.${string}`;
  outcome: AuditOutcome;
  actor: string;
  /** The staff id of the member as whom the actor acts. */
  on_behalf_of: string | null;
  subject: string | null;
  ip: string | null;
  correlation_id: string;
  details: Record<string, unknown>;
}

/** Appends reported events to the audit log in one statement, in their order. */
export async function insertReportedRows(tx: Tx, rows: readonly ReportedRow[]): Promise<void> {
  await tx.execute(sql`INSERT INTO audit_logs (id, tenant_id, occurred_at, action, outcome, actor, on_behalf_of, subject, ip, correlation_id, details)
    SELECT id, tenant_id, clock_timestamp(), action, outcome, actor, on_behalf_of, subject, ip, correlation_id, details
    FROM json_to_recordset(${JSON.stringify(rows)}::json) AS r(id uuid, tenant_id uuid, action text, outcome audit_outcome,
      actor text, on_behalf_of uuid, subject text, ip text, correlation_id text, details jsonb)`);
}
