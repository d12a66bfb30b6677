import { and, asc, eq, gt, gte, inArray, ne, or } from 'drizzle-orm';
import type { Db } from '../../db';
import { failedAttempts, tenantStaff, users } from '../../db/schema';
import type { AccountStatus } from '../../db/schema';
import { inTenant } from '../../db/tenantScope';
import type { AttemptLimits, AttemptScope } from './attemptStore';

/** A member of a tenant, with the fields needed to find their counters. */
export interface Member {
  staffId: string;
  userId: string;
  email: string;
  roles: string[];
  permissions: string[];
  status: AccountStatus;
}

/** Lists the members of one tenant, without former ones, ordered by e-mail address. */
export function listMembers(db: Db, tenantId: string): Promise<Member[]> {
  return inTenant(db, tenantId, async (tx) => {
    return tx
      .select({
        staffId: tenantStaff.id,
        userId: tenantStaff.userId,
        email: users.email,
        roles: tenantStaff.roles,
        permissions: tenantStaff.permissions,
        status: tenantStaff.status,
      })
      .from(tenantStaff)
      .innerJoin(users, eq(users.id, tenantStaff.userId))
      .where(and(eq(tenantStaff.tenantId, tenantId), ne(tenantStaff.status, 'removed')))
      .orderBy(asc(users.email), asc(tenantStaff.id));
  });
}

/** A counter that refuses tries. */
export interface ClosedCounter {
  subject: string;
  windowStartedAt: Date;
  updatedAt: Date;
  tries: number;
}

/** The most subjects in one statement. */
const MOST_AT_ONCE = 5000;

/**
 * Lists those of the given counters that refuse tries now.
 * @param windowBegan a window that began at or before this time is over
 */
export async function listClosedCounters(
  db: Db,
  { scope, subjects }: { scope: AttemptScope; subjects: readonly string[] },
  limits: AttemptLimits,
  windowBegan: Date,
): Promise<ClosedCounter[]> {
  const { subject, windowStartedAt, updatedAt, tries, failures } = failedAttempts;
  const closed: ClosedCounter[] = [];
  for (let from = 0; from < subjects.length; from += MOST_AT_ONCE) {
    const some = subjects.slice(from, from + MOST_AT_ONCE);
    const rows = await db
      .select({ subject, windowStartedAt, updatedAt, tries })
      .from(failedAttempts)
      .where(
        and(
          eq(failedAttempts.scope, scope),
          inArray(subject, some),
          or(
            gte(tries, limits.tries),
            and(gt(windowStartedAt, windowBegan), gte(failures, limits.failures)),
          ),
        ),
      );
    closed.push(...rows);
  }
  return closed;
}
