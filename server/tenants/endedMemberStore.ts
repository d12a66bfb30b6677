import { and, asc, isNotNull, lte, ne, sql } from 'drizzle-orm';
import type { Db } from '../db';
import { tenantStaff } from '../db/schema';
import { acrossTenants } from '../db/tenantScope';

/** How many are listed at once. */
const MOST = 100;

/** Lists memberships of all tenants that have reached their end by the database's clock. */
export function listEndedMembers(db: Db): Promise<{ tenantId: string; staffId: string }[]> {
  return acrossTenants(db, 'membership', (tx) =>
    tx
      .select({ tenantId: tenantStaff.tenantId, staffId: tenantStaff.id })
      .from(tenantStaff)
      .where(
        and(
          isNotNull(tenantStaff.endsAt),
          lte(tenantStaff.endsAt, sql`now()`),
          ne(tenantStaff.status, 'removed'),
        ),
      )
      .orderBy(asc(tenantStaff.endsAt), asc(tenantStaff.id))
      .limit(MOST),
  );
}
