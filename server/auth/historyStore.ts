import { sql } from 'drizzle-orm';
import type { SQL } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { acrossTenants } from '../db/tenantScope';

/** Sessions per transaction: each may have thousands of tokens, which are moved first. */
const SESSIONS_AT_ONCE = 50;

/** Uses the database's clock: a node whose clock is ahead must not purge live rows. */
const keptSince = (days: number) => sql`now() - make_interval(days => ${days})`;

async function move(tx: Tx, statement: SQL): Promise<number> {
  return (await tx.execute(statement)).rowCount ?? 0;
}

const TOKENS =
  sql.raw(`INSERT INTO token_history (id, tenant_id, staff_id, session_id, family_id, session_version,
    created_at, expires_at, revoked_at, revoke_reason)
  SELECT id, tenant_id, staff_id, session_id, coalesce(family_id, id), session_version,
    created_at, expires_at, revoked_at, revoke_reason FROM gone`);

const moveTokens = (tx: Tx, which: SQL) =>
  move(
    tx,
    sql`WITH gone AS (DELETE FROM refresh_tokens WHERE id = ANY(ARRAY(${which})) RETURNING *) ${TOKENS}`,
  );

const CHALLENGES =
  sql.raw(`INSERT INTO step_up_history (id, tenant_id, staff_id, session_id, origin, purpose, score, reasons, act,
    attempts, created_at, expires_at, verified_at, verified_method, consumed_at, revoked_at)
  SELECT id, tenant_id, staff_id, session_id, origin, purpose, score, reasons, act,
    attempts, created_at, expires_at, verified_at, verified_method, consumed_at, revoked_at FROM gone`);

const moveChallenges = (tx: Tx, which: SQL) =>
  move(
    tx,
    sql`WITH gone AS (DELETE FROM step_up_challenges WHERE id = ANY(ARRAY(${which})) RETURNING *) ${CHALLENGES}`,
  );

const SESSIONS =
  sql.raw(`INSERT INTO session_history (id, tenant_id, user_id, staff_id, session_version, created_at, last_seen_at,
    expires_at, revoked_at, revoke_reason, remember_me, ip, country, user_agent)
  SELECT id, tenant_id, user_id, staff_id, session_version, created_at, last_seen_at,
    expires_at, revoked_at, revoke_reason, remember_me, ip,
    CASE WHEN origin_proven_at IS NULL THEN country ELSE began_country END, user_agent FROM gone`);

async function moveSessionBatch(tx: Tx, keepDays: number, most: number): Promise<number> {
  const { rows } = await tx.execute<{ id: string }>(
    sql`SELECT id FROM user_sessions WHERE expires_at < ${keptSince(keepDays)}
        ORDER BY expires_at LIMIT ${SESSIONS_AT_ONCE} FOR UPDATE SKIP LOCKED`,
  );
  if (rows.length === 0) return 0;
  const ids = sql`${sql.param(rows.map(({ id }) => id))}::uuid[]`;
  const tokens = await moveTokens(
    tx,
    sql`SELECT id FROM refresh_tokens WHERE session_id = ANY(${ids}) LIMIT ${most}`,
  );
  const challenges = await moveChallenges(
    tx,
    sql`SELECT id FROM step_up_challenges WHERE session_id = ANY(${ids}) LIMIT ${most}`,
  );
  const sessions = await move(
    tx,
    sql`WITH gone AS (DELETE FROM user_sessions s WHERE s.id = ANY(${ids})
          AND NOT EXISTS (SELECT FROM refresh_tokens t WHERE t.session_id = s.id)
          AND NOT EXISTS (SELECT FROM step_up_challenges c WHERE c.session_id = s.id) RETURNING *) ${SESSIONS}`,
  );
  return tokens + challenges + sessions;
}

/**
 * Moves a batch of sessions whose absolute end passed long ago to the history, with their tokens
 * and challenges. A token family stays complete until all of it has been over for that long, so
 * that replays are detected until then. Nodes that run this at the same time move different
 * batches.
 * @param keepDays days to keep a session after its absolute end
 * @param most limit of tokens, and of challenges, in one transaction
 * @returns how many rows were moved; 0 if nothing is left to do here
 */
export const purgeSessions = (db: Db, keepDays: number, most = 500): Promise<number> =>
  acrossTenants(db, 'purge', (tx) => moveSessionBatch(tx, keepDays, most));

/**
 * Moves a batch of tokens that never had a session, because `user_sessions` was missing. A family
 * that got a session later moves with that session.
 * @returns how many rows were moved; 0 if nothing is left to do here
 */
export function purgeTokensWithoutSession(db: Db, keepDays: number, most = 500): Promise<number> {
  const cut = keptSince(keepDays);
  const family = (row: string) => sql.raw(`coalesce(${row}.family_id, ${row}.id)`);
  const endOf = (row: string) => sql.raw(`coalesce(${row}.absolute_expires_at, ${row}.expires_at)`);
  return acrossTenants(db, 'purge', (tx) =>
    moveTokens(
      tx,
      sql`SELECT t.id FROM refresh_tokens t
          WHERE t.session_id IS NULL AND t.expires_at < ${cut} AND ${endOf('t')} < ${cut}
            AND NOT EXISTS (SELECT FROM refresh_tokens f WHERE ${family('f')} = ${family('t')}
              AND (f.session_id IS NOT NULL OR ${endOf('f')} >= ${cut}))
          ORDER BY t.expires_at LIMIT ${most} FOR UPDATE OF t SKIP LOCKED`,
    ),
  );
}

/**
 * Moves a batch of challenges that were opened long ago to the history, including those of logins,
 * which have no session.
 * @returns how many rows were moved; 0 if nothing is left to do here
 */
export const purgeChallenges = (db: Db, keepDays: number, most = 500): Promise<number> =>
  acrossTenants(db, 'purge', (tx) =>
    moveChallenges(
      tx,
      sql`SELECT id FROM step_up_challenges WHERE created_at < ${keptSince(keepDays)}
          ORDER BY created_at LIMIT ${most} FOR UPDATE SKIP LOCKED`,
    ),
  );
