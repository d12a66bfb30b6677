import { and, desc, eq, gt, isNull, or, sql } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { serviceKeys } from '../db/schema';

const NOW = sql`date_trunc('milliseconds', clock_timestamp())`;

/** Neither revoked nor expired. */
const LIVE = and(
  isNull(serviceKeys.revokedAt),
  or(isNull(serviceKeys.expiresAt), gt(serviceKeys.expiresAt, NOW)),
);

/** Everything about a key that operators may see. The hashes are not among it. */
const SHOWN = {
  id: serviceKeys.id,
  name: serviceKeys.name,
  scopes: serviceKeys.scopes,
  addresses: serviceKeys.addresses,
  status: sql<
    'live' | 'expired' | 'revoked'
  >`CASE WHEN ${serviceKeys.revokedAt} IS NOT NULL THEN 'revoked'
    WHEN ${serviceKeys.expiresAt} <= clock_timestamp() THEN 'expired' ELSE 'live' END`,
  createdAt: serviceKeys.createdAt,
  createdBy: serviceKeys.createdBy,
  rotatedAt: serviceKeys.rotatedAt,
  /** Only while the secret before the last rotation is valid. */
  previousUntil:
    sql<Date | null>`CASE WHEN ${serviceKeys.previousUntil} > clock_timestamp() AND ${serviceKeys.revokedAt} IS NULL
    THEN ${serviceKeys.previousUntil} END`.mapWith(serviceKeys.previousUntil),
  expiresAt: serviceKeys.expiresAt,
  revokedAt: serviceKeys.revokedAt,
  lastUsedAt: serviceKeys.lastUsedAt,
  lastUsedIp: serviceKeys.lastUsedIp,
};

/** Lists every service key, newest first, or the one with an id. */
export const listServiceKeyRows = (db: Db | Tx, id?: string) =>
  db
    .select(SHOWN)
    .from(serviceKeys)
    .where(id === undefined ? undefined : eq(serviceKeys.id, id))
    .orderBy(desc(serviceKeys.createdAt), desc(serviceKeys.id));

/** Makes the expiry after so many days; null for none. */
const inDays = (days: number | undefined) =>
  days === undefined ? null : sql`${NOW} + make_interval(days => ${days})`;

/**
 * Stores a new key.
 * @throws the driver's unique violation if another key that was not revoked has the name
 */
export async function insertServiceKey(
  tx: Tx,
  row: Omit<typeof serviceKeys.$inferInsert, 'expiresAt' | 'createdAt'>,
  days: number | undefined,
): Promise<void> {
  await tx.insert(serviceKeys).values({ ...row, createdAt: NOW, expiresAt: inDays(days) });
}

/**
 * Gives a live key a new secret. The secret before stays valid for the overlap, at most until the
 * key would have expired.
 * @param next `days`: a new life; without one the expiry stays
 * @returns false if there is no such key, or it has ended
 */
export async function replaceServiceSecret(
  tx: Tx,
  id: string,
  next: {
    stored: { secretHash: Buffer; keyId: string };
    overlapSec: number;
    days: number | undefined;
  },
): Promise<boolean> {
  const { stored, overlapSec, days } = next;
  const until = sql`${NOW} + make_interval(secs => ${overlapSec})`;
  const rows = await tx
    .update(serviceKeys)
    .set({
      ...stored,
      previousHash: sql`${serviceKeys.secretHash}`,
      previousKeyId: sql`${serviceKeys.keyId}`,
      previousUntil: sql`least(${until}, ${serviceKeys.expiresAt})`,
      rotatedAt: NOW,
      ...(days === undefined ? {} : { expiresAt: inDays(days) }),
    })
    .where(and(eq(serviceKeys.id, id), LIVE))
    .returning({ id: serviceKeys.id });
  return rows.length === 1;
}

/** @returns whether there was such a key that nobody had revoked; it is revoked now */
export async function revokeServiceKeyRow(
  tx: Tx,
  { id, actor }: { id: string; actor: string },
): Promise<boolean> {
  const rows = await tx
    .update(serviceKeys)
    .set({ revokedAt: NOW, revokedBy: actor })
    .where(and(eq(serviceKeys.id, id), isNull(serviceKeys.revokedAt)))
    .returning({ id: serviceKeys.id });
  return rows.length === 1;
}
