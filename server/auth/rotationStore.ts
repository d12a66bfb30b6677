import { and, eq, gt, inArray, isNull, ne, or, sql } from 'drizzle-orm';
import type { SQL } from 'drizzle-orm';
import type { Pool } from 'pg';
import { auditRowFromJson } from '../audit';
import { runPrepared } from '../db';
import type { Db, PreparedStatement, Tx } from '../db';
import { MAY_SIGN_IN, maySignIn } from '../db/maySignIn';
import { refreshTokens, tenantStaff, tenants, users } from '../db/schema';
import type { RevokeReason } from '../db/schema';
import { TOUCH_AFTER } from './sessionStore';
import type { Invalidation } from './sessionStore';
import type { SessionMode } from './withSessionTable';

/** The token that was just rotated, and its owner. */
export interface RotatedToken {
  tenantId: string;
  userId: string;
  staffId: string;
  sessionId: string | null;
  familyId: string;
  sessionVersion: number;
  rememberMe: boolean;
  /** The token that was presented. */
  spentId: string;
  /** The token that replaces it: the newest of the chain. */
  successorId: string;
  /** The country in the session's stored origin; null if unknown. The network follows. */
  sessionCountry: string | null;
  sessionNetwork: string | null;
  /** The device hashes in the session's stored origin; null if unknown. */
  sessionDevices: string[] | null;
  /** When a step-up proof confirmed this origin; null if none has. */
  sessionProvenAt: Date | null;
  expiresAt: Date;
}

export interface RotationInput {
  /** The presented token's hash under each accepted key; at most one of them matches a token. */
  tokenHashes: string[];
  successorId: string;
  successorHash: string;
  /** The id of the key that made `successorHash`. */
  keyId: string;
  now: Date;
  idleSec: number;
  shortSec: number;
  deviceInfo: string | null;
  /**
   * The audit event as `toAuditRow` returns it. Tenant, actor, session and subject are filled in
   * from the token.
   */
  auditRow: object;
}

/**
 * Builds the rotation as one statement, hence one transaction: consume the presented token, insert
 * its successor, update the session, append the audit event. Of any number of concurrent requests
 * with the same token, one gets a row.
 * The session is locked before the token is spent. A forced logout also locks the session first, so
 * neither can miss what the other does, and no successor outlives a logout.
 */
function rotationSql(mode: SessionMode): string {
  const normal = mode === 'normal';
  const ends = normal
    ? 'least(coalesce(t.absolute_expires_at, s.expires_at), s.expires_at)'
    : 'coalesce(t.absolute_expires_at, t.expires_at)';
  return `WITH held AS MATERIALIZED (
    SELECT t.id, t.tenant_id, t.user_id, t.staff_id, t.session_id, t.session_version, t.remember_me,
      coalesce(t.family_id, t.id) AS family_id, ${ends} AS ends_at,
      ${normal ? 's.country' : 'NULL'}::text AS session_country,
      ${normal ? 's.network' : 'NULL'}::text AS session_network,
      ${normal ? 's.device_hashes' : 'NULL'}::text[] AS session_devices,
      ${normal ? 's.origin_proven_at' : 'NULL'}::timestamptz AS session_proven_at
    FROM refresh_tokens t
    JOIN tenant_staff st ON st.tenant_id = t.tenant_id AND st.id = t.staff_id AND st.user_id = t.user_id
    JOIN users u ON u.id = t.user_id
    JOIN tenants tn ON tn.id = t.tenant_id
    ${normal ? 'JOIN user_sessions s ON s.tenant_id = t.tenant_id AND s.id = t.session_id' : ''}
    WHERE t.token_hash = ANY ($1::text[]) AND t.revoked_at IS NULL AND NOT t.is_revoked AND t.expires_at > $2
      AND t.session_version = st.session_version
      AND ${maySignIn('st', 'u', 'tn')}
      ${
        normal
          ? `AND s.revoked_at IS NULL AND s.expires_at > $2 AND s.session_version = st.session_version
             FOR NO KEY UPDATE OF s`
          : 'FOR NO KEY UPDATE OF t'
      }
  ), spent AS (
    UPDATE refresh_tokens t
    SET revoked_at = $2, is_revoked = true, revoke_reason = 'rotation', last_used_at = $2
    FROM held WHERE t.id = held.id AND t.revoked_at IS NULL AND NOT t.is_revoked
    RETURNING held.*
  ), successor AS (
    INSERT INTO refresh_tokens (id, token_hash, tenant_id, user_id, staff_id, session_id, family_id,
      session_version, created_at, expires_at, absolute_expires_at, device_info, remember_me, key_id)
    SELECT $3, $4, tenant_id, user_id, staff_id, session_id, family_id, session_version, $2,
      least(ends_at, $2::timestamptz + make_interval(secs => CASE WHEN remember_me THEN $5::int ELSE $6::int END)),
      ends_at, $7, remember_me, $9
    FROM spent RETURNING expires_at
  ), ${
    normal
      ? `seen AS (
    UPDATE user_sessions s SET last_seen_at = $2 FROM spent
    WHERE s.id = spent.session_id AND s.last_seen_at < $2::timestamptz - ${TOUCH_AFTER}
  ), `
      : ''
  }event AS (
    INSERT INTO audit_logs SELECT a.* FROM spent, LATERAL ${auditRowFromJson(`$8::jsonb || jsonb_build_object(
      'tenant_id', spent.tenant_id, 'actor', spent.staff_id, 'session_id', spent.session_id,
      'subject', 'token-family:' || spent.family_id)`)} a
  )
  SELECT spent.tenant_id AS "tenantId", spent.user_id AS "userId", spent.staff_id AS "staffId",
    spent.session_id AS "sessionId", spent.family_id AS "familyId",
    spent.session_version AS "sessionVersion", spent.remember_me AS "rememberMe",
    spent.id AS "spentId", $3::uuid AS "successorId",
    spent.session_country AS "sessionCountry", spent.session_network AS "sessionNetwork",
    spent.session_devices AS "sessionDevices", spent.session_proven_at AS "sessionProvenAt",
    successor.expires_at AS "expiresAt"
  FROM spent, successor`;
}

const ROTATE: Record<SessionMode, PreparedStatement> = {
  normal: { name: 'rotate_refresh_token', text: rotationSql('normal') },
  degraded: { name: 'rotate_refresh_token_degraded', text: rotationSql('degraded') },
};

/** @returns the rotated token, or undefined if the presented one could not be spent */
export async function rotateToken(
  pool: Pool,
  mode: SessionMode,
  input: RotationInput,
): Promise<RotatedToken | undefined> {
  const [row] = await runPrepared<RotatedToken & Record<string, unknown>>(pool, ROTATE[mode], [
    input.tokenHashes,
    input.now,
    input.successorId,
    input.successorHash,
    input.idleSec,
    input.shortSec,
    input.deviceInfo,
    JSON.stringify(input.auditRow),
    input.keyId,
  ]);
  return row;
}

/**
 * The chain of a token. The first token of a chain may have no `family_id`; its own id is used
 * then.
 */
const familyOf = sql`coalesce(${refreshTokens.familyId}, ${refreshTokens.id})`;

export type StoredToken = typeof refreshTokens.$inferSelect;

/**
 * Finds a token by its hashes, one for each accepted key. It is not limited to a tenant, because
 * the token itself identifies its owner.
 */
export async function findTokenByHash(
  db: Db,
  tokenHashes: string[],
): Promise<StoredToken | undefined> {
  const [row] = await db
    .select()
    .from(refreshTokens)
    .where(inArray(refreshTokens.tokenHash, tokenHashes));
  return row;
}

export async function insertToken(tx: Tx, row: typeof refreshTokens.$inferInsert): Promise<void> {
  await tx.insert(refreshTokens).values(row);
}

/** Returns whether a chain has an unrevoked token, expired or not. */
export async function hasLiveLink(db: Db, tenantId: string, familyId: string): Promise<boolean> {
  const rows = await db
    .select({ id: refreshTokens.id })
    .from(refreshTokens)
    .where(
      and(
        eq(refreshTokens.tenantId, tenantId),
        eq(familyOf, familyId),
        isNull(refreshTokens.revokedAt),
      ),
    )
    .limit(1);
  return rows.length > 0;
}

/**
 * Returns the reason if a token of the chain, or of the session, was revoked for one of these
 * reasons; otherwise null.
 */
export async function findTokenEnd(
  db: Db,
  tenantId: string,
  query: { familyId: string; sessionId: string | null; reasons: readonly RevokeReason[] },
): Promise<RevokeReason | null> {
  const { familyId, sessionId } = query;
  const [row] = await db
    .select({ reason: refreshTokens.revokeReason })
    .from(refreshTokens)
    .where(
      and(
        eq(refreshTokens.tenantId, tenantId),
        or(eq(familyOf, familyId), sessionId ? eq(refreshTokens.sessionId, sessionId) : undefined),
        inArray(refreshTokens.revokeReason, [...query.reasons]),
      ),
    )
    .limit(1);
  return row?.reason ?? null;
}

/**
 * Locks the staff member's row, so that concurrent changes to their sessions wait: one theft is
 * punished once.
 */
export async function lockStaff(tx: Tx, tenantId: string, staffId: string): Promise<void> {
  await tx
    .select({ id: tenantStaff.id })
    .from(tenantStaff)
    .where(and(eq(tenantStaff.tenantId, tenantId), eq(tenantStaff.id, staffId)))
    .for('no key update');
}

/**
 * Locks a token, so that concurrent attempts to give it a session wait: two refreshes at once make
 * one session.
 * @returns whether the token is unrevoked and still has no session
 */
export async function lockUnadopted(tx: Tx, tenantId: string, tokenId: string): Promise<boolean> {
  const rows = await tx
    .select({ id: refreshTokens.id })
    .from(refreshTokens)
    .where(
      and(
        eq(refreshTokens.tenantId, tenantId),
        eq(refreshTokens.id, tokenId),
        isNull(refreshTokens.sessionId),
        isNull(refreshTokens.revokedAt),
      ),
    )
    .for('no key update');
  return rows.length === 1;
}

/**
 * Gives a token that was issued without a session its session.
 * @returns false if the token was revoked or already has a session
 */
export async function adoptToken(
  tx: Tx,
  tenantId: string,
  query: { tokenId: string; sessionId: string },
): Promise<boolean> {
  const rows = await tx
    .update(refreshTokens)
    .set({ sessionId: query.sessionId })
    .where(
      and(
        eq(refreshTokens.tenantId, tenantId),
        eq(refreshTokens.id, query.tokenId),
        isNull(refreshTokens.sessionId),
        isNull(refreshTokens.revokedAt),
      ),
    )
    .returning({ id: refreshTokens.id });
  return rows.length === 1;
}

/**
 * An expired token has already ended. Revoking it later would change the evidence of a closed
 * quarter.
 */
const notExpired = (now: Date) => gt(refreshTokens.expiresAt, now);

/** @returns how many matching tokens of the tenant were revoked by this call */
async function revokeUnrevoked(
  tx: Tx,
  tenantId: string,
  end: { reason: RevokeReason | SQL; now: Date },
  fitting: SQL | undefined,
): Promise<number> {
  const rows = await tx
    .update(refreshTokens)
    .set({ revokedAt: end.now, isRevoked: true, revokeReason: end.reason })
    .where(and(eq(refreshTokens.tenantId, tenantId), isNull(refreshTokens.revokedAt), fitting))
    .returning({ id: refreshTokens.id });
  return rows.length;
}

/** @returns how many live tokens of the chain were revoked */
export async function revokeFamily(
  tx: Tx,
  tenantId: string,
  query: { staffId: string; familyId: string; reason: 'logout'; now: Date },
): Promise<number> {
  const { staffId, familyId } = query;
  const fitting = and(
    eq(refreshTokens.staffId, staffId),
    eq(familyOf, familyId),
    notExpired(query.now),
  );
  return revokeUnrevoked(tx, tenantId, query, fitting);
}

/** @returns how many live tokens of the session were revoked */
export async function revokeSessionTokens(
  tx: Tx,
  tenantId: string,
  query: { sessionId: string; reason: RevokeReason; now: Date },
): Promise<number> {
  const fitting = and(eq(refreshTokens.sessionId, query.sessionId), notExpired(query.now));
  return revokeUnrevoked(tx, tenantId, query, fitting);
}

/**
 * Revokes the live tokens of a staff member, and every unrevoked token of a replayed chain. If an
 * expired token of that chain stayed unrevoked, each further replay would be punished again.
 * @param keptSessionId the session whose tokens stay, if any
 * @returns how many tokens were revoked
 */
export async function revokeAllTokens(
  tx: Tx,
  tenantId: string,
  what: Invalidation,
  keptSessionId?: string,
): Promise<number> {
  const { staffId, family, now } = what;
  const reason = family
    ? sql`CASE WHEN ${familyOf} = ${family.familyId} THEN ${family.reason}::revoke_reason ELSE ${what.reason}::revoke_reason END`
    : what.reason;
  const fitting = and(
    eq(refreshTokens.staffId, staffId),
    // `user_id` and `is_revoked` let the planner use the index of live tokens; without them every
    // row is read.
    sql`${refreshTokens.userId} = (SELECT user_id FROM tenant_staff WHERE tenant_id = ${tenantId} AND id = ${staffId})`,
    eq(refreshTokens.isRevoked, false),
    keptSessionId === undefined
      ? undefined
      : or(isNull(refreshTokens.sessionId), ne(refreshTokens.sessionId, keptSessionId)),
    family ? or(notExpired(now), eq(familyOf, family.familyId)) : notExpired(now),
  );
  return revokeUnrevoked(tx, tenantId, { reason, now }, fitting);
}

/**
 * Returns whether user, staff member and tenant are active and the staff member still has this
 * session version.
 */
export async function isCurrentStaff(
  db: Db,
  tenantId: string,
  query: { staffId: string; sessionVersion: number },
): Promise<boolean> {
  const rows = await db
    .select({ id: tenantStaff.id })
    .from(tenantStaff)
    .innerJoin(tenants, eq(tenants.id, tenantStaff.tenantId))
    .innerJoin(users, eq(users.id, tenantStaff.userId))
    .where(
      and(
        eq(tenantStaff.tenantId, tenantId),
        eq(tenantStaff.id, query.staffId),
        eq(tenantStaff.sessionVersion, query.sessionVersion),
        MAY_SIGN_IN,
      ),
    );
  return rows.length === 1;
}
