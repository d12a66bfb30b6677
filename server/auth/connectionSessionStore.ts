import { sql } from 'drizzle-orm';
import type { Tx } from '../db';
import { stepUpChallenges, userSessions } from '../db/schema';
import { inTenant } from '../db/tenantScope';

/**
 * Lists the members who have a session that a connection opened, or a sign-in through it that waits
 * for a proof, in the order in which members are locked.
 */
export const listStaffOfConnection = (
  tx: Tx,
  tenantId: string,
  connectionId: string,
): Promise<string[]> =>
  inTenant(tx, tenantId, async (own) => {
    const { rows } = await own.execute<{ staffId: string }>(
      sql`SELECT staff_id AS "staffId" FROM ${userSessions}
          WHERE tenant_id = ${tenantId} AND sso_connection_id = ${connectionId} AND revoked_at IS NULL
        UNION SELECT staff_id FROM ${stepUpChallenges}
          WHERE tenant_id = ${tenantId} AND sso_connection_id = ${connectionId}
            AND consumed_at IS NULL AND revoked_at IS NULL
        ORDER BY 1`,
    );
    return rows.map(({ staffId }) => staffId);
  });
