import { and, eq, inArray } from 'drizzle-orm';
import type { Db } from '../db';
import { tenantRoles } from '../db/schema';

/** Reads the names of some of a tenant's own roles. */
export const readRoleNames = (
  db: Db,
  tenantId: string,
  ids: readonly string[],
): Promise<{ id: string; name: string }[]> =>
  db
    .select({ id: tenantRoles.id, name: tenantRoles.name })
    .from(tenantRoles)
    .where(and(eq(tenantRoles.tenantId, tenantId), inArray(tenantRoles.id, [...ids])));
