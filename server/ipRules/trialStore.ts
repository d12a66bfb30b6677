import { sql } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { acrossTenants } from '../db/tenantScope';
import { replaceRules } from './ruleStore';

/** Finds tenants whose trial is over and was not ended yet. */
export function listEndedTrials(db: Db, now: Date): Promise<string[]> {
  return acrossTenants(db, 'ip_rules', async (tx) => {
    const { rows } = await tx.execute<{ tenantId: string }>(
      sql`SELECT tenant_id AS "tenantId" FROM ip_rule_sets
        WHERE trial_ends_at <= ${now.toISOString()}::timestamptz ORDER BY 1 LIMIT 100`,
    );
    return rows.map(({ tenantId }) => tenantId);
  });
}

/**
 * Takes a trial back if it is over. Of any number of nodes one does it.
 * @returns who had started it, and when it ended; undefined if there is nothing to end
 */
export async function takeBackTrial(
  tx: Tx,
  tenantId: string,
  now: Date,
): Promise<{ startedBy: string; endedAt: Date } | undefined> {
  const { rows } = await tx.execute<{ startedBy: string; endedMs: number }>(
    sql`SELECT trial_by AS "startedBy", (extract(epoch FROM trial_ends_at) * 1000)::float8 AS "endedMs"
      FROM ip_rule_sets
      WHERE tenant_id = ${tenantId} AND trial_ends_at <= ${now.toISOString()}::timestamptz FOR UPDATE`,
  );
  const [over] = rows;
  // An update without rows would lock the version of all sets.
  if (!over) return undefined;
  await tx.execute(
    sql`UPDATE ip_rule_sets SET trial_started_at = NULL, trial_ends_at = NULL, trial_by = NULL
      WHERE tenant_id = ${tenantId}`,
  );
  await replaceRules(tx, tenantId, { trial: true, rules: [] });
  return { startedBy: over.startedBy, endedAt: new Date(over.endedMs) };
}
