import { and, eq, isNull } from 'drizzle-orm';
import type { Tx } from '../db';
import { ssoConnections } from '../db/schema';
import { inTenant } from '../db/tenantScope';

/**
 * Returns whether a tenant's connection to a provider is there, and keeps it from being deleted until
 * the transaction ends: a deletion then sees what the transaction has written, and ends it. Call it
 * before the staff row is locked, because a deletion locks in this order too.
 */
export const holdConnection = (tx: Tx, tenantId: string, connectionId: string): Promise<boolean> =>
  inTenant(tx, tenantId, async (own) => {
    const rows = await own
      .select({ id: ssoConnections.id })
      .from(ssoConnections)
      .where(
        and(
          eq(ssoConnections.tenantId, tenantId),
          eq(ssoConnections.id, connectionId),
          isNull(ssoConnections.deletedAt),
        ),
      )
      .for('share');
    return rows.length === 1;
  });
