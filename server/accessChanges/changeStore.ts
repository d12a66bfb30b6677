import { sql } from 'drizzle-orm';
import type { Pool } from 'pg';
import type { Db } from '../db';

/** A change as it is stored: what changed, by its ids. */
export interface StoredChange {
  kind: 'session' | 'staff' | 'user' | 'tenant' | 'api_key' | 'service_key' | 'everything';
  tenantId: string | null;
  userId: string | null;
  subjectId: string | null;
  /** Milliseconds since it was written, by the database's clock. */
  ageMs: number;
}

/** One look at the changes: everything is as of one snapshot. */
export interface Reading {
  /** Names one history of one database. A transaction id means nothing in another one. */
  epoch: string;
  /** The transactions that this reading saw, as `pg_snapshot`. */
  snapshot: string;
  /** Every transaction before this one had ended. */
  xmin: string;
  /** The first transaction id that was not assigned yet. */
  xmax: string;
  /** Changes of transactions before this one may have been purged. */
  purgedBelow: string;
  /** The triggers are there, and the database is no standby: no change can be missing. */
  sound: boolean;
  changes: StoredChange[];
}

/** The changes that a reading asks for; none if neither is given. */
export interface Asked {
  /** Those that are visible now and were not visible in this snapshot. */
  unseenIn?: string | undefined;
  /** Those of this transaction and later ones. */
  from?: string | undefined;
}

/**
 * The tables whose triggers write the changes. Each has three. They are enabled as ALWAYS: any other
 * trigger is skipped with `session_replication_role = replica`, and by logical replication.
 */
const WATCHED = [
  'api_keys',
  'impersonations',
  'ip_rule_sets',
  'risk_policies',
  'service_keys',
  'step_up_challenges',
  'tenant_staff',
  'tenants',
  'user_sessions',
  'users',
];

/**
 * A reading with more changes says that everything may have changed. The message with so many is
 * shorter than what a stream may hold unsent, so it reaches every guard.
 */
export const MOST_CHANGES = 4000;

/**
 * A restored row may bear an id of another cluster that is still to come here, so only ids before
 * `xmax` count.
 */
const READ = `
  SELECT concat_ws('/', (SELECT system_identifier FROM pg_control_system()), pg_postmaster_start_time(),
      (SELECT oid FROM pg_database WHERE datname = current_database()), 'public.access_changes'::regclass::oid,
      CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END) AS epoch,
    pg_current_snapshot()::text AS snapshot,
    pg_snapshot_xmin(pg_current_snapshot())::text AS xmin,
    pg_snapshot_xmax(pg_current_snapshot())::text AS xmax,
    (SELECT purged_below::text FROM access_change_purges) AS "purgedBelow",
    NOT pg_is_in_recovery() AND (
      SELECT count(*) = 3 * cardinality($3::text[]) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
      WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY ($3::text[])
        AND t.tgfoid = 'public.access_changes_record'::regproc AND t.tgenabled = 'A'
        AND t.tgname IN (c.relname || '_access_changed', c.relname || '_access_deleted', c.relname || '_access_truncated')
    ) AS sound,
    coalesce((
      SELECT json_agg(json_build_object('kind', a.kind, 'tenantId', a.tenant_id, 'userId', a.user_id,
        'subjectId', a.subject_id, 'ageMs', extract(epoch FROM clock_timestamp() - a.written_at) * 1000))
      FROM (
        SELECT * FROM access_changes
        WHERE transaction_id >= coalesce($2::xid8, pg_snapshot_xmin($1::pg_snapshot))
          AND transaction_id < pg_snapshot_xmax(pg_current_snapshot())
          AND ($1::pg_snapshot IS NULL OR NOT pg_visible_in_snapshot(transaction_id, $1::pg_snapshot))
        LIMIT ${MOST_CHANGES + 1}
      ) a
    ), '[]') AS changes`;

/** Says that everything may have changed if there are too many changes to name. */
function fold(changes: StoredChange[]): StoredChange[] {
  if (changes.length <= MOST_CHANGES) return changes;
  const ageMs = Math.max(...changes.map((change) => change.ageMs));
  return [{ kind: 'everything', tenantId: null, userId: null, subjectId: null, ageMs }];
}

/**
 * Reads the changes in one statement, so that they fit its snapshot.
 * @throws the driver's error, also if the table of changes or the function of the triggers is missing
 */
export async function readChanges(pool: Pool, { unseenIn, from }: Asked): Promise<Reading> {
  const values = [unseenIn ?? null, from ?? null, WATCHED];
  const { rows } = await pool.query<Omit<Reading, 'purgedBelow'> & { purgedBelow: string | null }>(
    READ,
    values,
  );
  const [row] = rows;
  if (!row) throw new Error('a statement without FROM returned no row');
  // Without the row nobody knows what was purged.
  return {
    ...row,
    changes: fold(row.changes),
    purgedBelow: row.purgedBelow ?? row.xmax,
    sound: row.sound && row.purgedBelow !== null,
  };
}

/**
 * Deletes old changes, at most once in half an hour. A change goes only if its transaction had ended
 * at the time of the purge before: it was written earlier, but it may have become visible just now.
 * @returns how many were deleted
 */
export async function purgeChanges(db: Db): Promise<number> {
  return db.transaction(async (tx) => {
    const { rows } = await tx.execute<{ below: string }>(
      sql`UPDATE access_change_purges SET purged_below = next_below,
          next_below = pg_snapshot_xmin(pg_current_snapshot()), noted_at = clock_timestamp()
        WHERE noted_at < clock_timestamp() - interval '30 minutes'
        RETURNING purged_below::text AS below`,
    );
    const [purge] = rows;
    if (!purge) return 0;
    const { rowCount } = await tx.execute(
      sql`DELETE FROM access_changes WHERE transaction_id < ${purge.below}::xid8`,
    );
    return rowCount ?? 0;
  });
}
