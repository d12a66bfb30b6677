import type { PoolClient } from 'pg';

type Runner = Pick<PoolClient, 'query'>;

/** The number of values in one statement, small enough that nobody waits for it. */
const BATCH = 100;

export interface SealedRow {
  id: string;
  /** Null for mails, which are bound only to their id. */
  tenantId: string | null;
  /** Null for everything that belongs to no member. */
  staffId: string | null;
  sealed: Buffer;
}

/** Where sealed values are stored. A place is a column, because a table may have several. */
export const SEALED_PLACES = ['totp', 'mails', 'ssoSecrets', 'previousSsoSecrets'] as const;
export type SealedPlace = (typeof SEALED_PLACES)[number];

interface Place {
  readonly table: string;
  readonly sealed: string;
  readonly keyId: string;
  readonly staffId: string;
  /** Rows that still need their value. */
  readonly needed: string;
}

const NO_STAFF = 'NULL::uuid';
const PLACES: Readonly<Record<SealedPlace, Place>> = {
  totp: {
    ...{ table: 'user_totp', sealed: 'secret_sealed', keyId: 'key_id' },
    ...{ staffId: 'staff_id', needed: 'true' },
  },
  mails: {
    ...{ table: 'mails', sealed: 'sealed', keyId: 'key_id', staffId: 'staff_id' },
    needed: 'sent_at IS NULL AND given_up_at IS NULL',
  },
  ssoSecrets: {
    ...{ table: 'sso_connections', sealed: 'secret_sealed', keyId: 'secret_key_id' },
    ...{ staffId: NO_STAFF, needed: 'true' },
  },
  previousSsoSecrets: {
    ...{ table: 'sso_connections', sealed: 'previous_sealed', keyId: 'previous_key_id' },
    ...{ staffId: NO_STAFF, needed: 'previous_until > clock_timestamp()' },
  },
};

/**
 * Returns the next values, by their id, that were sealed with another key or do not name their key.
 */
export async function listSealedOtherwise(
  client: Runner,
  place: SealedPlace,
  query: { keyId: string; afterId: string },
): Promise<SealedRow[]> {
  const { table, sealed, keyId, staffId, needed } = PLACES[place];
  const { rows } = await client.query<SealedRow>(
    `SELECT id, tenant_id AS "tenantId", ${staffId} AS "staffId", ${sealed} AS sealed FROM ${table}
     WHERE id > $2 AND ${keyId} IS DISTINCT FROM $1 AND ${sealed} IS NOT NULL AND ${needed}
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
  place: SealedPlace,
  row: SealedRow,
  next: { sealed: Buffer; keyId: string },
): Promise<boolean> {
  const { table, sealed, keyId } = PLACES[place];
  const { rowCount } = await client.query(
    `UPDATE ${table} SET ${sealed} = $3, ${keyId} = $4 WHERE id = $1 AND ${sealed} = $2`,
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
