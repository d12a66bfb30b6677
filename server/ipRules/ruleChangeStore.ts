import { sql } from 'drizzle-orm';
import type { Tx } from '../db';

/** The events of a tenant's changed rules in the last time. */
export interface RecentChanges {
  /** How many there are. */
  count: number;
  /**
   * When the window no longer holds the oldest ones, so that only as many are left as asked for, in
   * milliseconds from now; null if it does not hold more.
   */
  freeInMs: number | null;
}

/**
 * Counts the rules of a tenant that were created, changed or deleted in the last seconds, by the
 * database's clock: each has an event. Call it while the set of the tenant is locked.
 * @param keep how many of them may be left
 */
export async function countRecentChanges(
  tx: Tx,
  tenantId: string,
  { windowSec, keep }: { windowSec: number; keep: number },
): Promise<RecentChanges> {
  const window = sql`${windowSec}::int * interval '1 second'`;
  const { rows } = await tx.execute<RecentChanges & Record<string, unknown>>(
    sql`SELECT count(*)::int AS count, (extract(epoch FROM
        (array_agg(occurred_at ORDER BY occurred_at DESC))[${keep}::int + 1] + ${window} - clock_timestamp()
      ) * 1000)::float8 AS "freeInMs"
      FROM audit_logs
      WHERE tenant_id = ${tenantId} AND outcome = 'success'
        AND action IN ('IP_RULE_CREATED', 'IP_RULE_UPDATED', 'IP_RULE_DELETED')
        AND occurred_at > clock_timestamp() - ${window}`,
  );
  return rows[0] ?? { count: 0, freeInMs: null };
}
