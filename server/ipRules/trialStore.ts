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
 * Takes a trial back if it is over. Of any number of nodes one does it. The rules go in a statement
 * of their own, because their trigger updates the row of the set too.
 * @returns who had started it, and when it ended; undefined if there is nothing to end
 */
export async function takeBackTrial(
  tx: Tx,
  tenantId: string,
  now: Date,
): Promise<{ startedBy: string; endedAt: Date } | undefined> {
  const { rows } = await tx.execute<{ startedBy: string; endedMs: number }>(
    sql`UPDATE ip_rule_sets s SET trial_started_at = NULL, trial_ends_at = NULL, trial_by = NULL
      FROM (
        SELECT tenant_id, trial_by, trial_ends_at FROM ip_rule_sets
        WHERE tenant_id = ${tenantId} AND trial_ends_at <= ${now.toISOString()}::timestamptz FOR UPDATE
      ) over
      WHERE s.tenant_id = over.tenant_id
      RETURNING over.trial_by AS "startedBy", (extract(epoch FROM over.trial_ends_at) * 1000)::float8 AS "endedMs"`,
  );
  const [over] = rows;
  if (!over) return undefined;
  await replaceRules(tx, tenantId, { trial: true, rules: [] });
  return { startedBy: over.startedBy, endedAt: new Date(over.endedMs) };
}
