import { and, eq, isNull, lt, sql } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { uuidV7 } from '../db/ids';
import { emailChanges, tenantStaff } from '../db/schema';
import { acrossTenants, inTenant } from '../db/tenantScope';

/** Matches changes that were neither confirmed nor ended. */
export const pendingChange = and(isNull(emailChanges.confirmedAt), isNull(emailChanges.endedAt));

/**
 * Ends the changes of the e-mail address that were asked for in a membership's sessions: somebody
 * else may have had one of them. The caller holds the lock of the staff member's row.
 */
export function endEmailChangesOf(
  tx: Tx,
  tenantId: string,
  { staffId, now }: { staffId: string; now: Date },
): Promise<void> {
  return inTenant(tx, tenantId, async (own) => {
    // The index is by person.
    const person = own
      .select({ userId: tenantStaff.userId })
      .from(tenantStaff)
      .where(and(eq(tenantStaff.tenantId, tenantId), eq(tenantStaff.id, staffId)));
    const ofMembership = and(
      eq(emailChanges.userId, person),
      eq(emailChanges.tenantId, tenantId),
      eq(emailChanges.staffId, staffId),
    );
    await own.update(emailChanges).set({ endedAt: now }).where(and(ofMembership, pendingChange));
  });
}

const NO_BYTES = Buffer.alloc(16);

/**
 * Deletes a batch of changes that expired before a moment. The search is by id, which holds the
 * time of creation, because no index holds the time of expiry.
 * @returns how many were deleted; 0 if none is left
 */
export function purgeEmailChanges(db: Db, before: Date, most = 500): Promise<number> {
  return acrossTenants(db, 'purge', async (tx) => {
    const { id, expiresAt } = emailChanges;
    const expired = and(lt(id, uuidV7(before.getTime(), NO_BYTES)), lt(expiresAt, before));
    const old = sql`SELECT ${id} FROM ${emailChanges} WHERE ${expired} ORDER BY ${id} LIMIT ${most} FOR UPDATE SKIP LOCKED`;
    const { rowCount } = await tx.delete(emailChanges).where(sql`${id} = ANY(ARRAY(${old}))`);
    return rowCount ?? 0;
  });
}
