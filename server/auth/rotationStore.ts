import type { Pool, PoolClient } from 'pg';
import { auditRowFromJson } from '../audit';
import { runPrepared } from '../db';
import type { PreparedStatement } from '../db';
import { maySignIn } from '../db/maySignIn';
import { clientAcrossTenants } from '../db/tenantScope';
import { TOUCH_AFTER } from './sessionStore';
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

/** Thrown inside the transaction of a rotation to roll it back. */
class RolledBack<Verdict> extends Error {
  constructor(readonly rotated: { token: RotatedToken; verdict: Verdict }) {
    super('the rotation is rolled back');
  }
}

/**
 * Rotates a token, and keeps the rotation only if its verdict is that it passes.
 * @param judge decides about the owner of the token, inside the transaction
 * @returns the rotated token and the verdict; undefined if the presented token could not be spent
 */
export async function rotateToken<Verdict extends { kind: string }>(
  pool: Pool,
  mode: SessionMode,
  input: RotationInput,
  judge: (token: RotatedToken) => Verdict,
): Promise<{ token: RotatedToken; verdict: Verdict } | undefined> {
  try {
    return await clientAcrossTenants(pool, 'rotation', async (client) => {
      const token = await runRotation(client, mode, input);
      if (!token) return undefined;
      const rotated = { token, verdict: judge(token) };
      if (rotated.verdict.kind !== 'passes') throw new RolledBack(rotated);
      return rotated;
    });
  } catch (error) {
    if (error instanceof RolledBack) return (error as RolledBack<Verdict>).rotated;
    throw error;
  }
}

async function runRotation(
  client: PoolClient,
  mode: SessionMode,
  input: RotationInput,
): Promise<RotatedToken | undefined> {
  const [row] = await runPrepared<RotatedToken & Record<string, unknown>>(client, ROTATE[mode], [
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
