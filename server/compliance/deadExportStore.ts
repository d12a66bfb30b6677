import { sql } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { PLACE_KEY } from './exportPlaceStore';

/** No export lasts this long, and no installation is down this long. */
const LOOKED_AT = sql.raw(`interval '90 days'`);

/** The key of the lock that marks a running export, from its snapshot on. */
const EXPORT_KEY = 'gatehouse export id ';
export const exportKey = (exportId: string): string => EXPORT_KEY + exportId;

/**
 * Takes the exclusive right to record the end of an export, until the transaction ends.
 * @returns false if an end is recorded already
 */
export async function takeExportEnd(tx: Tx, tenantId: string, exportId: string): Promise<boolean> {
  const key = `gatehouse export end ${exportId}`;
  await tx.execute(sql`SELECT pg_advisory_xact_lock(hashtextextended(${key}, 0))`);
  // A separate statement, so that it sees what was committed before the lock was free.
  const { rows } = await tx.execute(sql`SELECT FROM audit_logs
    WHERE tenant_id = ${tenantId} AND action IN ('DATA_EXPORT_COMPLETED', 'DATA_EXPORT_FAILED')
      AND outcome IN ('success', 'failure') AND occurred_at > now() - ${LOOKED_AT}
      AND subject = ${`export:${exportId}`} LIMIT 1`);
  return rows.length === 0;
}

/** An export that was requested and that no process works on any more. */
export interface DeadExport extends Record<string, unknown> {
  tenantId: string;
  exportId: string;
  correlationId: string;
  /** The details of its DATA_EXPORT_REQUESTED. */
  details: Record<string, unknown>;
}

/**
 * Lists exports without a recorded end that no process works on. A running export holds a place of its tenant from
 * before it is recorded until its end is, in a transaction that ends with its process. It also holds the lock of its
 * id while it has a snapshot, in case the connection of its place breaks. While a tenant exports, its other exports
 * are therefore not listed. If an export ends between this query and the caller's next statement, {@link
 * takeExportEnd} detects it.
 */
export async function listDeadExports(db: Db, places: number): Promise<DeadExport[]> {
  const { rows } = await db.execute<DeadExport>(sql`
    SELECT r.tenant_id AS "tenantId", substr(r.subject, 8) AS "exportId", r.correlation_id AS "correlationId", r.details
    FROM tenants t CROSS JOIN LATERAL (
      SELECT e.tenant_id, e.subject, e.correlation_id, e.details FROM audit_logs e
      WHERE e.tenant_id = t.id AND e.action = 'DATA_EXPORT_REQUESTED' AND e.outcome = 'success'
        AND e.occurred_at > now() - ${LOOKED_AT} AND e.subject LIKE 'export:%'
    ) r
    WHERE NOT EXISTS (
      SELECT FROM audit_logs f
      WHERE f.tenant_id = r.tenant_id AND f.action IN ('DATA_EXPORT_COMPLETED', 'DATA_EXPORT_FAILED')
        AND f.outcome IN ('success', 'failure') AND f.occurred_at > now() - ${LOOKED_AT} AND f.subject = r.subject
    ) AND NOT EXISTS (
      SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
      WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND d.datname = current_database()
        AND (l.classid::bigint << 32) | l.objid::bigint IN (
          SELECT hashtextextended(${EXPORT_KEY} || substr(r.subject, 8), 0)
          UNION ALL SELECT hashtextextended(${PLACE_KEY} || r.tenant_id || ' ' || place, 0)
          FROM generate_series(1, ${places}::int) place)
    ) LIMIT 100`);
  return rows;
}
