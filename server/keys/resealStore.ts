import type { PoolClient } from 'pg';

type Runner = Pick<PoolClient, 'query'>;

/** The number of values in one statement, small enough that nobody waits for it. */
const BATCH = 100;

export interface SealedRow {
  id: string;
  /** Null for mails, which are bound only to their id. */
  tenantId: string | null;
  staffId: string | null;
  sealed: Buffer;
}

export type SealedTable = 'user_totp' | 'mails';

const COLUMN: Readonly<Record<SealedTable, string>> = {
  user_totp: 'secret_sealed',
  mails: 'sealed',
};

/**
 * Returns the next values, by their id, that were sealed with another key or do not name their key.
 */
export async function listSealedOtherwise(
  client: Runner,
  table: SealedTable,
  query: { keyId: string; afterId: string },
): Promise<SealedRow[]> {
  const waiting = table === 'mails' ? 'AND sent_at IS NULL AND given_up_at IS NULL' : '';
  const { rows } = await client.query<SealedRow>(
    `SELECT id, tenant_id AS "tenantId", staff_id AS "staffId", ${COLUMN[table]} AS sealed FROM ${table}
     WHERE id > $2 AND key_id IS DISTINCT FROM $1 AND ${COLUMN[table]} IS NOT NULL ${waiting}
     ORDER BY id LIMIT ${BATCH}`,
    [query.keyId, query.afterId],
  );
  return rows;
}

/**
 * Replaces a sealed value.
 * @returns false if somebody changed or removed the value in the meantime; that change stays
 */
export async function replaceSealed(
  client: Runner,
  table: SealedTable,
  row: SealedRow,
  next: { sealed: Buffer; keyId: string },
): Promise<boolean> {
  const { rowCount } = await client.query(
    `UPDATE ${table} SET ${COLUMN[table]} = $3, key_id = $4 WHERE id = $1 AND ${COLUMN[table]} = $2`,
    [row.id, row.sealed, next.sealed, next.keyId],
  );
  return rowCount === 1;
}

/** @returns the id of the key of a setting that came into use last */
export async function newestKeyOf(client: Runner, setting: string): Promise<string | undefined> {
  const { rows } = await client.query<{ keyId: string }>(
    'SELECT key_id AS "keyId" FROM key_checks WHERE setting = $1 ORDER BY first_used_at DESC, key_id DESC LIMIT 1',
    [setting],
  );
  return rows[0]?.keyId;
}
