import { sql } from 'drizzle-orm';
import type { Tx } from '../../db';
import { notEnded } from '../../db/maySignIn';
import { inTenant } from '../../db/tenantScope';

/** A person who may change the security settings, with the kinds of factors they have enrolled. */
export interface PolicyHolder {
  staffId: string;
  email: string;
  totp: boolean;
  passkey: boolean;
  /** True if unused recovery codes are left. */
  codes: boolean;
}

/**
 * Reads all active staff of the tenant who may change its security settings. Their rows are locked,
 * as a change of their factors locks them, so no factor is added or removed until the transaction
 * ends.
 */
export function lockPolicyHolders(tx: Tx, tenantId: string): Promise<PolicyHolder[]> {
  return inTenant(tx, tenantId, async (own) => {
    // Ordered by id, so that two concurrent changes wait for each other instead of deadlocking.
    await own.execute(
      sql`SELECT id FROM tenant_staff WHERE tenant_id = ${tenantId} AND status = 'active'
      AND 'SETTINGS_SECURITY_EDIT' = ANY(permissions) ORDER BY id FOR UPDATE`,
    );
    const { rows } = await own.execute<PolicyHolder & Record<string, unknown>>(
      sql`SELECT st.id AS "staffId", u.email,
        EXISTS (SELECT FROM user_totp f WHERE f.tenant_id = st.tenant_id AND f.staff_id = st.id
          AND f.confirmed_at IS NOT NULL) AS totp,
        EXISTS (SELECT FROM passkeys f WHERE f.tenant_id = st.tenant_id AND f.staff_id = st.id) AS passkey,
        EXISTS (SELECT FROM recovery_codes f WHERE f.tenant_id = st.tenant_id AND f.staff_id = st.id
          AND f.used_at IS NULL) AS codes
      FROM tenant_staff st JOIN users u ON u.id = st.user_id
      WHERE st.tenant_id = ${tenantId} AND st.status = 'active' AND u.status = 'active'
        AND ${sql.raw(notEnded('st'))}
        AND 'SETTINGS_SECURITY_EDIT' = ANY(st.permissions)
      ORDER BY st.id`,
    );
    return rows;
  });
}
