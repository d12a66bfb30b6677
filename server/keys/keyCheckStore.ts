import type { PoolClient } from 'pg';

/**
 * The advisory lock for reading checks in order to write them. If two nodes start for the first
 * time with different keys, one of them wins.
 */
const KEY_CHECK_LOCK = '7449363237540164981';
/** How many values are tried, so that one can open even if some never will. */
const SAMPLE = 50;

export interface KeyCheckRow {
  setting: string;
  keyId: string;
  checkValue: Buffer;
}

type Runner = Pick<PoolClient, 'query'>;

/** Returns the checks of every setting, ordered by their first use. */
export async function readKeyChecks(client: Runner): Promise<KeyCheckRow[]> {
  const { rows } = await client.query<KeyCheckRow>(
    `SELECT setting, key_id AS "keyId", check_value AS "checkValue" FROM key_checks
     ORDER BY setting, first_used_at, key_id`,
  );
  return rows;
}

/** Takes the lock until the transaction ends. */
export async function lockKeyChecks(client: Runner): Promise<void> {
  await client.query(`SELECT pg_advisory_xact_lock(${KEY_CHECK_LOCK})`);
}

/** Writes a check. Its key then counts as the one that came into use last. */
export async function insertKeyCheck(
  client: Runner,
  row: KeyCheckRow & { adopted: boolean },
): Promise<void> {
  await client.query(
    `INSERT INTO key_checks (setting, key_id, check_value, first_used_at, adopted)
     VALUES ($1, $2, $3, clock_timestamp(), $4)
     ON CONFLICT (setting, key_id) DO UPDATE SET check_value = excluded.check_value,
       first_used_at = excluded.first_used_at, adopted = key_checks.adopted OR excluded.adopted`,
    [row.setting, row.keyId, row.checkValue, row.adopted],
  );
}

export interface SealedSamples {
  totp: { id: string; tenantId: string; staffId: string; sealed: Buffer }[];
  mails: { id: string; sealed: Buffer }[];
  ssoSecrets: { id: string; tenantId: string; sealed: Buffer }[];
}

/** Returns values that ENCRYPTION_KEY sealed, the newest first. */
export async function sampleSealed(client: Runner): Promise<SealedSamples> {
  const totp = await client.query<SealedSamples['totp'][number]>(
    `SELECT id, tenant_id AS "tenantId", staff_id AS "staffId", secret_sealed AS sealed FROM user_totp
     ORDER BY created_at DESC LIMIT ${SAMPLE}`,
  );
  const mails = await client.query<SealedSamples['mails'][number]>(
    `SELECT id, sealed FROM mails WHERE sealed IS NOT NULL AND sent_at IS NULL AND given_up_at IS NULL
     ORDER BY created_at DESC LIMIT ${SAMPLE}`,
  );
  const sso = await client.query<SealedSamples['ssoSecrets'][number]>(
    `SELECT id, tenant_id AS "tenantId", secret_sealed AS sealed FROM sso_connections
     WHERE secret_sealed IS NOT NULL ORDER BY secret_changed_at DESC LIMIT ${SAMPLE}`,
  );
  return { totp: totp.rows, mails: mails.rows, ssoSecrets: sso.rows };
}

export interface HashedSamples {
  /** Whether any row holds a hash that TOKEN_HASH_KEY made. */
  any: boolean;
  /** A session holds the hash of its user agent and the user agent itself. */
  sessions: { userAgent: string | null; deviceHashes: string[] }[];
}

/** Returns values that TOKEN_HASH_KEY hashed, the newest first. */
export async function sampleHashed(client: Runner): Promise<HashedSamples> {
  const sessions = await client.query<HashedSamples['sessions'][number]>(
    `SELECT user_agent AS "userAgent", device_hashes AS "deviceHashes" FROM user_sessions
     WHERE cardinality(device_hashes) > 0 ORDER BY created_at DESC LIMIT ${SAMPLE}`,
  );
  const { rows } = await client.query<{ any: boolean }>(
    `SELECT EXISTS (SELECT FROM refresh_tokens) OR EXISTS (SELECT FROM known_devices)
       OR EXISTS (SELECT FROM recovery_codes) OR EXISTS (SELECT FROM known_addresses)
       OR EXISTS (SELECT FROM step_up_challenges) OR EXISTS (SELECT FROM failed_attempts) AS any`,
  );
  return { any: rows[0]?.any === true || sessions.rows.length > 0, sessions: sessions.rows };
}

/** Returns the newest signed checkpoint, if there is one. */
export async function sampleCheckpoints(
  client: Runner,
): Promise<readonly { logId: string; note: string }[]> {
  const { rows } = await client.query<{ logId: string; note: string }>(
    'SELECT log_id AS "logId", note FROM audit_checkpoints ORDER BY id DESC LIMIT 1',
  );
  return rows;
}

/**
 * Counts the confirmed secrets, those of connections, and the waiting mails that name a key which is not among these. After an
 * operator adopted a key, values that were sealed with earlier keys do not count: the operator
 * accepted that they are lost, and the running server is needed to replace them.
 */
export async function countSealedElsewhere(
  client: Runner,
  knownIds: readonly string[],
): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    `WITH checks AS (SELECT key_id, first_used_at, adopted FROM key_checks WHERE setting = 'ENCRYPTION_KEY'),
       adoption AS (SELECT max(first_used_at) AS at FROM checks WHERE adopted),
       elsewhere AS (
         SELECT key_id FROM user_totp WHERE confirmed_at IS NOT NULL AND key_id <> ALL ($1::text[])
         UNION ALL
         SELECT secret_key_id FROM sso_connections WHERE secret_key_id <> ALL ($1::text[])
         UNION ALL
         SELECT previous_key_id FROM sso_connections WHERE previous_key_id <> ALL ($1::text[]) AND previous_until > clock_timestamp()
         UNION ALL
         SELECT key_id FROM mails WHERE sent_at IS NULL AND given_up_at IS NULL AND key_id <> ALL ($1::text[]))
     SELECT count(*)::int AS count FROM elsewhere, adoption
     WHERE adoption.at IS NULL
       OR EXISTS (SELECT FROM checks WHERE checks.key_id = elsewhere.key_id AND first_used_at >= adoption.at)`,
    [knownIds],
  );
  return rows[0]?.count ?? 0;
}

/** @returns since when this database is served in production; null if it never was */
export async function readServedInProduction(client: Runner): Promise<Date | null> {
  const { rows } = await client.query<{ at: Date | null }>(
    'SELECT served_in_production_at AS at FROM installation',
  );
  return rows[0]?.at ?? null;
}

/** Records this once. Later calls change nothing. */
export async function markServedInProduction(client: Runner): Promise<void> {
  await client.query(
    `INSERT INTO installation ("only", served_in_production_at) VALUES (true, clock_timestamp())
     ON CONFLICT ("only") DO UPDATE SET served_in_production_at = excluded.served_in_production_at
       WHERE installation.served_in_production_at IS NULL`,
  );
}
