import { sql } from 'drizzle-orm';
import type { Db } from '../../db';
import { acrossTenants } from '../../db/tenantScope';

/**
 * Deletes a batch of expired passkey registrations, and of TOTP enrolments that were begun more
 * than a day ago and never confirmed. Neither could be used as a factor.
 * @returns how many rows were deleted; 0 if nothing is left to do here
 */
export function purgePendingFactors(db: Db, most = 500): Promise<number> {
  return acrossTenants(db, 'purge', async (tx) => {
    const registrations = await tx.execute(
      sql`DELETE FROM passkey_registrations WHERE staff_id = ANY(ARRAY(
          SELECT staff_id FROM passkey_registrations WHERE expires_at < now() LIMIT ${most} FOR UPDATE SKIP LOCKED))`,
    );
    const secrets = await tx.execute(
      sql`DELETE FROM user_totp WHERE confirmed_at IS NULL AND id = ANY(ARRAY(
          SELECT id FROM user_totp WHERE confirmed_at IS NULL AND created_at < now() - interval '1 day'
          LIMIT ${most} FOR UPDATE SKIP LOCKED))`,
    );
    return (registrations.rowCount ?? 0) + (secrets.rowCount ?? 0);
  });
}
