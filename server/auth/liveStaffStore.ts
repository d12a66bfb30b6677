import { sql } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { acrossTenants, inTenant } from '../db/tenantScope';
import type { SessionMode } from './withSessionTable';

/** A staff member who could go on without signing in again. */
export interface LiveStaff extends Record<string, unknown> {
  tenantId: string;
  staffId: string;
  sessions: number;
}

/** A page begins after this staff member, in the order of tenant and staff ids. */
export type StaffCursor = Pick<LiveStaff, 'tenantId' | 'staffId'>;

/**
 * Reads a page of staff.
 * @returns those of the page who have a live session or token, and the cursor of the next page,
 * undefined at the end
 */
export async function listLiveStaff(
  db: Db,
  query: {
    tenantId: string | undefined;
    /** Counts only sessions and tokens that began before this time; all if undefined. */
    until: Date | undefined;
    after: StaffCursor | undefined;
    limit: number;
    /** Also finds staff who have begun or given a proof that is not used yet. */
    proofs?: boolean;
    /** Without the table of sessions, each live token counts. */
    mode?: SessionMode;
  },
): Promise<{ live: LiveStaff[]; next: StaffCursor | undefined }> {
  const { tenantId = null, until, after, proofs = false, mode = 'normal' } = query;
  const degraded = mode === 'degraded';
  const began = (row: string) =>
    until === undefined
      ? sql`true`
      : sql`${sql.raw(row)}.created_at < ${until.toISOString()}::timestamptz`;
  const sessions = sql`(SELECT count(*)::int FROM user_sessions s WHERE s.tenant_id = m.tenant_id AND s.staff_id = m.id AND s.revoked_at IS NULL
        AND s.expires_at > now() AND s.session_version = m.session_version AND ${began('s')})`;
  const proven = sql`EXISTS (SELECT FROM step_up_challenges c WHERE c.tenant_id = m.tenant_id AND c.staff_id = m.id
        AND c.revoked_at IS NULL AND c.consumed_at IS NULL AND c.expires_at > now())`;
  const read = (tx: Tx) =>
    tx.execute<LiveStaff & { loose: boolean; proofs: boolean }>(sql`
    SELECT m.tenant_id AS "tenantId", m.id AS "staffId",
      ${degraded ? sql`0` : sessions} AS sessions,
      EXISTS (SELECT FROM refresh_tokens t WHERE t.tenant_id = m.tenant_id AND t.user_id = m.user_id AND t.staff_id = m.id
        AND (t.session_id IS NULL OR ${degraded}) AND t.revoked_at IS NULL AND NOT t.is_revoked AND t.expires_at > now() AND ${began('t')}) AS loose, ${proofs ? proven : sql`false`} AS proofs
    FROM tenant_staff m
    WHERE (m.tenant_id = ${tenantId}::uuid OR ${tenantId}::uuid IS NULL)
      AND (${after?.staffId ?? null}::uuid IS NULL OR (m.tenant_id, m.id) > (${after?.tenantId ?? null}::uuid, ${after?.staffId ?? null}::uuid))
    ORDER BY m.tenant_id, m.id LIMIT ${query.limit}`);
  const { rows } =
    tenantId === null
      ? await acrossTenants(db, 'operator', read)
      : await inTenant(db, tenantId, read);
  const live = rows.filter((row) => row.sessions > 0 || row.loose || row.proofs);
  return { live, next: rows.length < query.limit ? undefined : rows.at(-1) };
}
