import { sql } from 'drizzle-orm';
import type { Db } from '../db';
import { acrossTenants } from '../db/tenantScope';
import type { Look } from './domainStore';

/** A node that takes a look and ends before it notes the finding keeps others from it for this time. */
const LEASE = sql.raw("interval '10 minutes'");

/**
 * Leases proven domains of any tenant whose next look is due, by the database's clock. Of many nodes
 * one gets each.
 */
export function leaseDueDomains(db: Db, most: number): Promise<Look[]> {
  return acrossTenants(db, 'domains', async (tx) => {
    const { rows } = await tx.execute<Omit<Look, 'startedAt'> & { nowMs: number }>(
      sql`UPDATE domains d SET next_check_at = clock_timestamp() + ${LEASE}
        FROM (SELECT id FROM domains WHERE next_check_at <= clock_timestamp()
          ORDER BY next_check_at LIMIT ${most}::int FOR UPDATE SKIP LOCKED) due
        WHERE d.id = due.id
        RETURNING d.tenant_id AS "tenantId", d.id, d.domain, d.token,
          (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS "nowMs"`,
    );
    return rows.map(({ nowMs, ...look }) => ({ ...look, startedAt: new Date(Math.floor(nowMs)) }));
  });
}
