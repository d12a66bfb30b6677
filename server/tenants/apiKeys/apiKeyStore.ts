import { and, count, desc, eq, gt, isNotNull, isNull, lte, ne, sql } from 'drizzle-orm';
import type { SQL } from 'drizzle-orm';
import { LIVE_KEY } from '../../apiKeys';
import type { Db, Tx } from '../../db';
import { apiKeys, tenantStaff, users } from '../../db/schema';
import { inTenant } from '../../db/tenantScope';

export const API_KEY_STATUSES = ['live', 'expired', 'revoked'] as const;
export type ApiKeyStatus = (typeof API_KEY_STATUSES)[number];

/** The database's clock, rounded down as the columns are read. */
const NOW = sql`date_trunc('milliseconds', clock_timestamp())`;

const STATUS: Readonly<Record<ApiKeyStatus, SQL | undefined>> = {
  live: LIVE_KEY,
  expired: and(isNull(apiKeys.revokedAt), lte(apiKeys.expiresAt, NOW)),
  revoked: isNotNull(apiKeys.revokedAt),
};

const ofKey = (tenantId: string, id: string) =>
  and(eq(apiKeys.tenantId, tenantId), eq(apiKeys.id, id));

/** Everything about a key that people may see. The hashes are not among it. */
const SHOWN = {
  id: apiKeys.id,
  staffId: apiKeys.staffId,
  holderEmail: users.email,
  name: apiKeys.name,
  permissions: apiKeys.permissions,
  addresses: apiKeys.addresses,
  status: sql<ApiKeyStatus>`CASE WHEN ${apiKeys.revokedAt} IS NOT NULL THEN 'revoked'
    WHEN ${apiKeys.expiresAt} <= clock_timestamp() THEN 'expired' ELSE 'live' END`,
  createdAt: apiKeys.createdAt,
  rotatedAt: apiKeys.rotatedAt,
  /** Only while the secret before the last rotation is valid. */
  previousUntil:
    sql<Date | null>`CASE WHEN ${apiKeys.previousUntil} > clock_timestamp() AND ${apiKeys.revokedAt} IS NULL
    THEN ${apiKeys.previousUntil} END`.mapWith(apiKeys.previousUntil),
  expiresAt: apiKeys.expiresAt,
  revokedAt: apiKeys.revokedAt,
  lastUsedAt: apiKeys.lastUsedAt,
  lastUsedIp: apiKeys.lastUsedIp,
};

/** Lists keys for display, newest first. */
export function listApiKeyRows(
  db: Db | Tx,
  tenantId: string,
  query: {
    id?: string | undefined;
    status?: ApiKeyStatus | undefined;
    holder?: string | undefined;
    below?: { occurredAt: Date; id: string } | undefined;
    limit: number;
  },
) {
  return inTenant(db, tenantId, async (tx) => {
    const { id, status, holder, below, limit } = query;
    return tx
      .select(SHOWN)
      .from(apiKeys)
      .innerJoin(users, eq(users.id, apiKeys.userId))
      .where(
        and(
          eq(apiKeys.tenantId, tenantId),
          id === undefined ? undefined : eq(apiKeys.id, id),
          holder === undefined ? undefined : eq(apiKeys.staffId, holder),
          status && STATUS[status],
          below &&
            sql`(${apiKeys.createdAt}, ${apiKeys.id}) < (${below.occurredAt.toISOString()}::timestamptz, ${below.id}::uuid)`,
        ),
      )
      .orderBy(desc(apiKeys.createdAt), desc(apiKeys.id))
      .limit(limit);
  });
}

/** A key with the permissions that its holder has now. */
export interface HeldKey {
  id: string;
  staffId: string;
  name: string;
  permissions: string[];
  addresses: string[];
  live: boolean;
  heldPermissions: string[];
}

/** Locks a key, live or not, and reads it. */
export function lockKey(tx: Tx, tenantId: string, id: string): Promise<HeldKey | undefined> {
  return inTenant(tx, tenantId, async (own) => {
    const [row] = await own
      .select({
        id: apiKeys.id,
        staffId: apiKeys.staffId,
        name: apiKeys.name,
        permissions: apiKeys.permissions,
        addresses: apiKeys.addresses,
        live: sql<boolean>`${LIVE_KEY}`,
        heldPermissions: tenantStaff.permissions,
      })
      .from(apiKeys)
      .innerJoin(
        tenantStaff,
        and(eq(tenantStaff.tenantId, apiKeys.tenantId), eq(tenantStaff.id, apiKeys.staffId)),
      )
      .where(ofKey(tenantId, id))
      .for('no key update', { of: apiKeys });
    return row;
  });
}

/** Counts the live keys of a tenant. */
export function countLiveKeys(tx: Tx, tenantId: string): Promise<number> {
  return inTenant(tx, tenantId, async (own) => {
    const [row] = await own
      .select({ number: count() })
      .from(apiKeys)
      .where(and(eq(apiKeys.tenantId, tenantId), LIVE_KEY));
    return row?.number ?? 0;
  });
}

/** Lists the names of the live keys of a tenant, without that of one key. */
export function listLiveNames(tx: Tx, tenantId: string, except?: string): Promise<string[]> {
  return inTenant(tx, tenantId, async (own) => {
    const other = except === undefined ? undefined : ne(apiKeys.id, except);
    const rows = await own
      .select({ name: apiKeys.name })
      .from(apiKeys)
      .where(and(eq(apiKeys.tenantId, tenantId), LIVE_KEY, other));
    return rows.map(({ name }) => name);
  });
}

const inDays = (days: number) => sql`${NOW} + make_interval(days => ${days})`;

/** Stores a new key, which expires after so many days of the database's clock. */
export function insertKey(
  tx: Tx,
  row: Omit<typeof apiKeys.$inferInsert, 'expiresAt' | 'createdAt'>,
  days: number,
): Promise<void> {
  return inTenant(tx, row.tenantId, async (own) => {
    await own.insert(apiKeys).values({ ...row, createdAt: NOW, expiresAt: inDays(days) });
  });
}

/** Writes the properties of a key that can be changed. */
export function updateKey(
  tx: Tx,
  tenantId: string,
  { id, ...set }: Pick<HeldKey, 'id' | 'name' | 'permissions' | 'addresses'>,
): Promise<void> {
  return inTenant(tx, tenantId, async (own) => {
    await own.update(apiKeys).set(set).where(ofKey(tenantId, id));
  });
}

/**
 * Gives a live key a new secret and a new expiry. The secret before stays valid for the overlap, at
 * most until the key would have expired.
 * @returns false if the key has ended
 */
export function replaceSecret(
  tx: Tx,
  tenantId: string,
  id: string,
  next: {
    stored: { secretHash: Buffer; keyId: string };
    issuedSessionId: string | null;
    overlapSec: number;
    days: number;
  },
): Promise<boolean> {
  return inTenant(tx, tenantId, async (own) => {
    const { stored, issuedSessionId, overlapSec, days } = next;
    const rows = await own
      .update(apiKeys)
      .set({
        ...stored,
        previousHash: sql`${apiKeys.secretHash}`,
        previousKeyId: sql`${apiKeys.keyId}`,
        previousUntil: sql`least(${NOW} + make_interval(secs => ${overlapSec}), ${apiKeys.expiresAt})`,
        issuedSessionId,
        rotatedAt: NOW,
        expiresAt: inDays(days),
      })
      .where(and(ofKey(tenantId, id), isNull(apiKeys.revokedAt), gt(apiKeys.expiresAt, NOW)))
      .returning({ id: apiKeys.id });
    return rows.length === 1;
  });
}
