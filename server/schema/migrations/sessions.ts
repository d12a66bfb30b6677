import type { Connection } from './clients';

/** A session of the database, as far as this role may see it. */
export interface DatabaseSession {
  pid: number;
  user: string | null;
  application: string | null;
  /** Null for a local socket, and if the role may not see it. */
  address: string | null;
  /** When its transaction began. */
  since: Date | null;
}

/** The columns of `pg_stat_activity AS a` that make a {@link DatabaseSession}. */
export const SESSION_COLUMNS = `a.pid, a.usename AS "user", nullif(a.application_name, '') AS application,
  host(a.client_addr) AS address, a.xact_start AS since`;

/**
 * @returns a text such as `process 71 (user app, application psql, from 10.0.0.7, since 2026-…Z)`
 */
export function describeSession({ pid, user, application, address, since }: DatabaseSession) {
  const known = [
    user === null ? undefined : `user ${user}`,
    application === null ? undefined : `application '${application}'`,
    address === null ? undefined : `from ${address}`,
    // Only superusers and members of pg_monitor see the times of other roles.
    since === null ? 'since when is hidden from this role' : `since ${since.toISOString()}`,
  ].filter((part) => part !== undefined);
  return `process ${pid} of the database (${known.join(', ')})`;
}

/** Returns the five transactions with table locks that have been open longest. */
export async function findOldTransactions(client: Connection): Promise<string[]> {
  const { rows } = await client.query<DatabaseSession & { tables: string[] }>(
    `SELECT ${SESSION_COLUMNS}, held.tables
     FROM pg_stat_activity a
     JOIN (
       SELECT pid, array_agg(DISTINCT relation::regclass::text) AS tables FROM pg_locks
       WHERE locktype = 'relation' AND granted AND relation >= 16384
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
       GROUP BY pid
     ) AS held USING (pid)
     ORDER BY a.xact_start NULLS LAST LIMIT 5`,
  );
  return rows.map((row) => `${describeSession(row)}, which uses ${row.tables.join(', ')}`);
}
