import { eq } from 'drizzle-orm';
import type { Db } from '../../db';
import { ssoConnections } from '../../db/schema';
import { acrossTenants } from '../../db/tenantScope';

/**
 * Finds the tenant of a connection, deleted or not.
 * @returns the tenant's id; undefined if there is no such connection
 */
export const findTenantOfConnection = (db: Db, id: string): Promise<string | undefined> =>
  acrossTenants(db, 'sso', async (tx) => {
    const [row] = await tx
      .select({ tenantId: ssoConnections.tenantId })
      .from(ssoConnections)
      .where(eq(ssoConnections.id, id));
    return row?.tenantId;
  });
