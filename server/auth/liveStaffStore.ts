import { sql } from 'drizzle-orm';
import type { Db } from '../db';

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
  },
): Promise<{ live: LiveStaff[]; next: StaffCursor | undefined }> {
  const { tenantId = null, until, after } = query;
  const began = (row: string) =>
    until === undefined
      ? sql`true`
      : sql`${sql.raw(row)}.created_at < ${until.toISOString()}::timestamptz`;
  const { rows } = await db.execute<LiveStaff & { loose: boolean }>(sql`
    SELECT m.tenant_id AS "tenantId", m.id AS "staffId",
      (SELECT count(*)::int FROM user_sessions s WHERE s.tenant_id = m.tenant_id AND s.staff_id = m.id AND s.revoked_at IS NULL
        AND s.expires_at > now() AND s.session_version = m.session_version AND ${began('s')}) AS sessions,
      EXISTS (SELECT FROM refresh_tokens t WHERE t.tenant_id = m.tenant_id AND t.user_id = m.user_id AND t.staff_id = m.id
        AND t.session_id IS NULL AND t.revoked_at IS NULL AND NOT t.is_revoked AND t.expires_at > now() AND ${began('t')}) AS loose
    FROM tenant_staff m
    WHERE (m.tenant_id = ${tenantId}::uuid OR ${tenantId}::uuid IS NULL)
      AND (${after?.staffId ?? null}::uuid IS NULL OR (m.tenant_id, m.id) > (${after?.tenantId ?? null}::uuid, ${after?.staffId ?? null}::uuid))
    ORDER BY m.tenant_id, m.id LIMIT ${query.limit}`);
  const live = rows.filter(({ sessions, loose }) => sessions > 0 || loose);
  return { live, next: rows.length < query.limit ? undefined : rows.at(-1) };
}
