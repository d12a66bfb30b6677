import { and, asc, eq, sql } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { impersonationActs } from '../db/schema';
import { inTenant } from '../db/tenantScope';

/** A request of an impersonation: method and route, and whether it was refused. */
export interface Act {
  route: string;
  refused: boolean;
}

/**
 * Counts a request, while the impersonation has not ended. The end waits for it, so the counts of an
 * ended impersonation are complete. The lock is not a shared one: a request that comes after an end
 * waits for that end. With a shared lock it would go first, and many requests could delay an end for
 * as long as they go on.
 * @returns false if it has ended
 */
export function countAct(
  db: Db,
  tenantId: string,
  { id, route, refused }: Act & { id: string },
): Promise<boolean> {
  return inTenant(db, tenantId, async (tx) => {
    const { rows } = await tx.execute(sql`
      WITH running AS (SELECT id, tenant_id FROM impersonations WHERE tenant_id = ${tenantId} AND id = ${id} AND ended_at IS NULL FOR NO KEY UPDATE)
      INSERT INTO impersonation_acts (impersonation_id, tenant_id, route, refused) SELECT id, tenant_id, ${route}, ${refused} FROM running
      ON CONFLICT (impersonation_id, route, refused) DO UPDATE SET times = impersonation_acts.times + 1
      RETURNING times`);
    return rows.length === 1;
  });
}

/** How often a route was asked for. */
export interface CountedRoute {
  route: string;
  times: number;
}

/** Reads what was opened in an impersonation, and what was refused. */
export function readActs(
  tx: Tx,
  tenantId: string,
  id: string,
): Promise<{ opened: CountedRoute[]; refused: CountedRoute[] }> {
  return inTenant(tx, tenantId, async (own) => {
    const { route, times, refused } = impersonationActs;
    const rows = await own
      .select({ route, times, refused })
      .from(impersonationActs)
      .where(
        and(eq(impersonationActs.tenantId, tenantId), eq(impersonationActs.impersonationId, id)),
      )
      .orderBy(asc(route));
    const those = (wanted: boolean) =>
      rows
        .filter((row) => row.refused === wanted)
        .map((row) => ({ route: row.route, times: row.times }));
    return { opened: those(false), refused: those(true) };
  });
}
