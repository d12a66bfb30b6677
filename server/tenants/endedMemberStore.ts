import { and, asc, isNotNull, lte, ne, sql } from 'drizzle-orm';
import type { Db } from '../db';
import { tenantStaff } from '../db/schema';
import { acrossTenants } from '../db/tenantScope';

/** A membership that has reached its end, and the end as the database writes it. */
export interface EndedMember {
  tenantId: string;
  staffId: string;
  endsAt: string;
}

/**
 * Lists memberships of all tenants that have reached their end by the database's clock, in the order
 * of their ends.
 * @param page how many at most, and the last one of the page before
 */
export function listEndedMembers(
  db: Db,
  { limit, after }: { limit: number; after: EndedMember | undefined },
): Promise<EndedMember[]> {
  return acrossTenants(db, 'membership', (tx) =>
    tx
      .select({
        tenantId: tenantStaff.tenantId,
        staffId: tenantStaff.id,
        endsAt: sql<string>`${tenantStaff.endsAt}::text`,
      })
      .from(tenantStaff)
      .where(
        and(
          isNotNull(tenantStaff.endsAt),
          lte(tenantStaff.endsAt, sql`now()`),
          ne(tenantStaff.status, 'removed'),
          after &&
            sql`(${tenantStaff.endsAt}, ${tenantStaff.id}) > (${after.endsAt}::timestamptz, ${after.staffId}::uuid)`,
        ),
      )
      .orderBy(asc(tenantStaff.endsAt), asc(tenantStaff.id))
      .limit(limit),
  );
}
