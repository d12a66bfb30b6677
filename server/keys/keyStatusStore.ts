import type { PoolClient } from 'pg';

type Runner = Pick<PoolClient, 'query'>;

export interface UsedKey {
  setting: string;
  keyId: string;
  firstUsedAt: Date;
  adopted: boolean;
}

/**
 * Returns every key that this database was written with, by setting and in the order of their first
 * use.
 */
export async function listUsedKeys(client: Runner): Promise<UsedKey[]> {
  const { rows } = await client.query<UsedKey>(
    `SELECT setting, key_id AS "keyId", first_used_at AS "firstUsedAt", adopted FROM key_checks
     ORDER BY setting, first_used_at, key_id`,
  );
  return rows;
}

/** The values that remain under one key; `keyId` is null for values that do not name their key. */
export interface LeftUnderKey {
  keyId: string | null;
  count: number;
  /** When the last of them ends by itself; null if they have no end. */
  until: Date | null;
}

/**
 * Spent refresh tokens count while their chain lives, because a token that is used again must be
 * recognised. Tokens of chains that have ended do not count.
 */
const LEFT = {
  refreshTokens: `SELECT t.key_id AS "keyId", count(*)::int AS count, max(coalesce(t.absolute_expires_at, s.expires_at, t.expires_at)) AS until
    FROM refresh_tokens t LEFT JOIN user_sessions s ON s.tenant_id = t.tenant_id AND s.id = t.session_id
    WHERE coalesce(t.absolute_expires_at, s.expires_at, t.expires_at) > clock_timestamp() AND s.revoked_at IS NULL
    GROUP BY t.key_id`,
  sessions: `SELECT t.key_id AS "keyId", count(DISTINCT s.id)::int AS count, max(s.expires_at) AS until
    FROM refresh_tokens t JOIN user_sessions s ON s.tenant_id = t.tenant_id AND s.id = t.session_id
    WHERE s.expires_at > clock_timestamp() AND s.revoked_at IS NULL GROUP BY t.key_id`,
  recoveryCodes: `SELECT key_id AS "keyId", count(*)::int AS count, NULL::timestamptz AS until FROM recovery_codes
    WHERE used_at IS NULL GROUP BY key_id`,
  programKeys: `SELECT k.key_id AS "keyId", count(*)::int AS count, nullif(max(k.until), 'infinity') AS until
    FROM (SELECT key_id, expires_at AS until FROM api_keys WHERE revoked_at IS NULL
      UNION ALL SELECT previous_key_id, previous_until FROM api_keys WHERE revoked_at IS NULL
      UNION ALL SELECT key_id, coalesce(expires_at, 'infinity') FROM service_keys WHERE revoked_at IS NULL
      UNION ALL SELECT previous_key_id, previous_until FROM service_keys WHERE revoked_at IS NULL) k
    WHERE k.until > clock_timestamp() GROUP BY k.key_id`,
  knownDevices: `SELECT key_id AS "keyId", count(*)::int AS count, NULL::timestamptz AS until FROM known_devices GROUP BY key_id`,
  totpSecrets: `SELECT key_id AS "keyId", count(*)::int AS count, NULL::timestamptz AS until FROM user_totp GROUP BY key_id`,
  ssoSecrets: `SELECT k.key_id AS "keyId", count(*)::int AS count, nullif(max(k.until), 'infinity') AS until
    FROM (SELECT secret_key_id AS key_id, 'infinity'::timestamptz AS until FROM sso_connections WHERE secret_key_id IS NOT NULL
      UNION ALL SELECT previous_key_id, previous_until FROM sso_connections WHERE deleted_at IS NULL) k
    WHERE k.until > clock_timestamp() GROUP BY k.key_id`,
  mails: `SELECT key_id AS "keyId", count(*)::int AS count, max(expires_at) AS until FROM mails
    WHERE sealed IS NOT NULL AND sent_at IS NULL AND given_up_at IS NULL GROUP BY key_id`,
} as const;

export type LeftKind = keyof typeof LEFT;

export async function countLeft(client: Runner, kind: LeftKind): Promise<LeftUnderKey[]> {
  const { rows } = await client.query<LeftUnderKey>(LEFT[kind]);
  return rows;
}

/**
 * @returns when the last link ends that was sent in a notice before the given time; null if there
 *   is none
 */
export async function lastNoticeLink(
  client: Runner,
  before: Date,
  days: number,
): Promise<Date | null> {
  const { rows } = await client.query<{ until: Date | null }>(
    `SELECT max(created_at) + make_interval(days => $2) AS until FROM mails
     WHERE kind <> 'step_up_code' AND created_at < $1 AND created_at > clock_timestamp() - make_interval(days => $2)`,
    [before, days],
  );
  return rows[0]?.until ?? null;
}
