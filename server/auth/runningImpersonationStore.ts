import { and, asc, eq, gt, isNull } from 'drizzle-orm';
import type { Db } from '../db';
import { impersonations, tenantStaff, users } from '../db/schema';
import { inTenant } from '../db/tenantScope';

/** Reads the impersonations of a member that run, with the member who acts. */
export function listImpersonationsOf(
  db: Db,
  tenantId: string,
  { staffId, now }: { staffId: string; now: Date },
) {
  return inTenant(db, tenantId, async (tx) => {
    const { id, scope, startedAt, expiresAt, actorStaffId, endedAt } = impersonations;
    const rows = await tx
      .select({
        ...{ id, scope, startedAt, expiresAt, actorStaffId },
        ...{ email: users.email, name: users.name },
      })
      .from(impersonations)
      .innerJoin(
        tenantStaff,
        and(eq(tenantStaff.tenantId, impersonations.tenantId), eq(tenantStaff.id, actorStaffId)),
      )
      .innerJoin(users, eq(users.id, tenantStaff.userId))
      .where(
        and(
          eq(impersonations.tenantId, tenantId),
          eq(impersonations.staffId, staffId),
          isNull(endedAt),
          gt(expiresAt, now),
        ),
      )
      .orderBy(asc(startedAt), asc(id));
    return rows.map(({ actorStaffId: staff, email, name, ...row }) => ({
      ...row,
      actor: { staffId: staff, email, name },
    }));
  });
}
