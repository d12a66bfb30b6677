import { sql } from 'drizzle-orm';
import { db } from '@/server/db';

const KNOWN = ['known_devices', 'known_networks', 'known_countries', 'known_addresses'] as const;

/** Returns how many rows of each kind were first learned in a session. */
export async function taughtBySession(sessionId: string): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const table of KNOWN) {
    const { rows } = await db.execute<{ n: number }>(
      sql`SELECT count(*)::int AS n FROM ${sql.identifier(table)} WHERE session_id = ${sessionId}`,
    );
    counts[table] = rows[0]?.n ?? 0;
  }
  return counts;
}

/** Returns how many devices of a staff member were learned in a session that has ended. */
export async function devicesOfEndedSessions(staffId: string): Promise<number> {
  const { rows } = await db.execute<{ n: number }>(sql`
    SELECT count(*)::int AS n FROM known_devices d JOIN user_sessions s ON s.id = d.session_id
    JOIN tenant_staff st ON st.id = s.staff_id
    WHERE d.staff_id = ${staffId} AND (s.revoked_at IS NOT NULL OR s.session_version <> st.session_version)`);
  return rows[0]?.n ?? 0;
}

/** Returns the sum of the recorded logins of a staff member over all hours. */
export async function habitsOf(staffId: string): Promise<number> {
  const { rows } = await db.execute<{ n: number }>(sql`
    SELECT coalesce(sum(hour), 0)::int AS n FROM staff_habits h, unnest(h.hours) AS hour
    WHERE h.staff_id = ${staffId}`);
  return rows[0]?.n ?? 0;
}
