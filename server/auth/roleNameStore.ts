import { and, eq, inArray } from 'drizzle-orm';
import type { Db } from '../db';
import { tenantRoles } from '../db/schema';
import { inTenant } from '../db/tenantScope';

/** Reads the names of some of a tenant's own roles. */
export const readRoleNames = (
  db: Db,
  tenantId: string,
  ids: readonly string[],
): Promise<{ id: string; name: string }[]> =>
  inTenant(db, tenantId, (tx) =>
    tx
      .select({ id: tenantRoles.id, name: tenantRoles.name })
      .from(tenantRoles)
      .where(and(eq(tenantRoles.tenantId, tenantId), inArray(tenantRoles.id, [...ids]))),
  );
