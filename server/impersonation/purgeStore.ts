import { and, eq, inArray, lt } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { impersonationActs, impersonations } from '../db/schema';
import { acrossTenants, inTenant } from '../db/tenantScope';

function purgeOf(tx: Tx, tenantId: string, ids: readonly string[]): Promise<void> {
  return inTenant(tx, tenantId, async (own) => {
    const { impersonationId } = impersonationActs;
    await own
      .delete(impersonationActs)
      .where(and(eq(impersonationActs.tenantId, tenantId), inArray(impersonationId, [...ids])));
    await own
      .delete(impersonations)
      .where(and(eq(impersonations.tenantId, tenantId), inArray(impersonations.id, [...ids])));
  });
}

/**
 * Deletes a batch of impersonations that ended before a time, with the counts of what was opened in
 * them. Their events stay in the audit log, and the evidence reads those.
 * @returns how many were deleted; 0 if none is left
 */
export async function purgeImpersonations(db: Db, before: Date, most = 500): Promise<number> {
  const old = await acrossTenants(db, 'impersonation', (tx) =>
    tx
      .select({ tenantId: impersonations.tenantId, id: impersonations.id })
      .from(impersonations)
      .where(lt(impersonations.endedAt, before))
      .limit(most),
  );
  for (const tenantId of new Set(old.map((row) => row.tenantId))) {
    const ids = old.filter((row) => row.tenantId === tenantId).map(({ id }) => id);
    await inTenant(db, tenantId, (tx) => purgeOf(tx, tenantId, ids));
  }
  return old.length;
}
