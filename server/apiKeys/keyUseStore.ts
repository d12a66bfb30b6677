import type { Pool } from 'pg';
import { runPrepared } from '../db';
import type { PreparedStatement } from '../db';
import { clientAcrossTenants } from '../db/tenantScope';

/** The tables of keys, with the column of each secret and of the server's key that hashed it. */
export type KeyTable = 'api_keys' | 'service_keys';

const SECRETS = {
  secret: { hash: 'secret_hash', keyId: 'key_id' },
  previous: { hash: 'previous_hash', keyId: 'previous_key_id' },
} as const;

/** Which secret of a key was used. */
export type UsedSecret = keyof typeof SECRETS;

/** Runs a statement about keys of several tenants, or of the service keys, which have no tenant. */
async function runOn(
  pool: Pool,
  table: KeyTable,
  statement: PreparedStatement,
  values: unknown[],
): Promise<void> {
  if (table === 'service_keys') await runPrepared(pool, statement, values);
  else await clientAcrossTenants(pool, 'program', (own) => runPrepared(own, statement, values));
}

/**
 * Notes the last use of many keys in one statement. It passes over rows that somebody else has
 * locked, so it waits for nobody, and two nodes cannot deadlock.
 */
export async function noteUses(
  pool: Pool,
  table: KeyTable,
  uses: readonly { id: string; ip: string | null }[],
): Promise<void> {
  await runOn(
    pool,
    table,
    {
      name: `note_uses_${table}`,
      text: `WITH due AS (
        SELECT id FROM ${table} WHERE id = ANY($1::uuid[])
          AND coalesce(last_used_at < now() - interval '1 minute', true)
        ORDER BY id FOR NO KEY UPDATE SKIP LOCKED)
      UPDATE ${table} k SET last_used_at = now(), last_used_ip = use.ip
      FROM due, unnest($1::uuid[], $2::text[]) AS use(id, ip) WHERE k.id = due.id AND use.id = due.id`,
    },
    [uses.map(({ id }) => id), uses.map(({ ip }) => ip)],
  );
}

/**
 * Replaces hashes under former keys of the server by hashes under the current one. It does nothing
 * unless the current key is the newest of the database: during a rotation two nodes would undo each
 * other's work.
 */
export async function renewHashes(
  pool: Pool,
  table: KeyTable,
  secret: UsedSecret,
  renewed: { former: readonly Buffer[]; current: readonly Buffer[]; keyId: string },
): Promise<void> {
  const { hash, keyId } = SECRETS[secret];
  await runOn(
    pool,
    table,
    {
      name: `renew_${secret}_${table}`,
      text: `UPDATE ${table} k SET ${hash} = v.current, ${keyId} = $3
      FROM unnest($1::bytea[], $2::bytea[]) AS v(former, current)
      WHERE k.${hash} = v.former AND $3 = (SELECT key_id FROM key_checks
        WHERE setting = 'TOKEN_HASH_KEY' ORDER BY first_used_at DESC, key_id DESC LIMIT 1)`,
    },
    [renewed.former, renewed.current, renewed.keyId],
  );
}
