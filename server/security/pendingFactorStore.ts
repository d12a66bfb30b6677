import { sql } from 'drizzle-orm';
import type { Db } from '../db';

/**
 * Deletes a batch of passkey registrations that ran out, and of authenticators whose enrolment was begun more than a day
 * ago and never confirmed. Neither has ever counted for anything.
 * @returns how many rows went; 0 if nothing is left to do here
 */
export async function purgePendingFactors(db: Db, most = 500): Promise<number> {
  const registrations = await db.execute(
    sql`DELETE FROM passkey_registrations WHERE staff_id = ANY(ARRAY(
          SELECT staff_id FROM passkey_registrations WHERE expires_at < now() LIMIT ${most} FOR UPDATE SKIP LOCKED))`,
  );
  const secrets = await db.execute(
    sql`DELETE FROM user_totp WHERE confirmed_at IS NULL AND id = ANY(ARRAY(
          SELECT id FROM user_totp WHERE confirmed_at IS NULL AND created_at < now() - interval '1 day'
          LIMIT ${most} FOR UPDATE SKIP LOCKED))`,
  );
  return (registrations.rowCount ?? 0) + (secrets.rowCount ?? 0);
}
