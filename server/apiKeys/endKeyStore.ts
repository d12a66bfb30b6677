import { and, asc, eq, gt, gte, inArray, isNull, or, sql } from 'drizzle-orm';
import type { SQL } from 'drizzle-orm';
import type { Tx } from '../db';
import { apiKeys, userSessions } from '../db/schema';
import type { RevokeReason } from '../db/schema';
import { inTenant } from '../db/tenantScope';

/** Neither revoked nor expired. */
export const LIVE_KEY = and(
  isNull(apiKeys.revokedAt),
  gt(apiKeys.expiresAt, sql`clock_timestamp()`),
);

/** A key that was revoked now. */
export interface EndedKey {
  id: string;
  staffId: string;
}

function revokeWhere(
  tx: Tx,
  tenantId: string,
  actor: string,
  which: SQL | undefined,
): Promise<EndedKey[]> {
  return inTenant(tx, tenantId, async (own) => {
    // Locked in the order of their ids, so that two statements cannot deadlock.
    const locked = await own
      .select({ id: apiKeys.id })
      .from(apiKeys)
      .where(and(eq(apiKeys.tenantId, tenantId), LIVE_KEY, which))
      .orderBy(asc(apiKeys.id))
      .for('no key update');
    if (locked.length === 0) return [];
    return own
      .update(apiKeys)
      .set({ revokedAt: sql`clock_timestamp()`, revokedBy: actor })
      .where(
        and(
          eq(apiKeys.tenantId, tenantId),
          isNull(apiKeys.revokedAt),
          inArray(
            apiKeys.id,
            locked.map(({ id }) => id),
          ),
        ),
      )
      .returning({ id: apiKeys.id, staffId: apiKeys.staffId });
  });
}

/** @returns whether the tenant has such a live key; it is revoked now */
export const revokeKey = async (
  tx: Tx,
  tenantId: string,
  { id, actor }: { id: string; actor: string },
): Promise<boolean> => (await revokeWhere(tx, tenantId, actor, eq(apiKeys.id, id))).length === 1;

/** Revokes all keys of a tenant. */
export const revokeKeysOfTenant = (tx: Tx, tenantId: string, actor: string): Promise<EndedKey[]> =>
  revokeWhere(tx, tenantId, actor, undefined);

/** Revokes all keys of a member. */
export const revokeKeysOfHolder = (
  tx: Tx,
  tenantId: string,
  { staffId, actor }: { staffId: string; actor: string },
): Promise<EndedKey[]> => revokeWhere(tx, tenantId, actor, eq(apiKeys.staffId, staffId));

/**
 * Revokes the keys of a member whose secret was issued in a session that ended for one of these
 * reasons, or since a time, or in no session that is known. It is not known for the secret before a
 * rotation, so a key ends too while that one is valid.
 */
export async function revokeKeysOfSessions(
  tx: Tx,
  tenantId: string,
  query: {
    staffId: string;
    actor: string;
    reasons: readonly RevokeReason[];
    /** Keys that were issued since then end too. */
    since: Date | null;
  },
): Promise<EndedKey[]> {
  const { staffId, actor, reasons, since } = query;
  const ended = tx
    .select({ id: userSessions.id })
    .from(userSessions)
    .where(
      and(
        eq(userSessions.tenantId, tenantId),
        eq(userSessions.staffId, staffId),
        inArray(userSessions.revokeReason, [...reasons]),
      ),
    );
  const issuedAt = sql`coalesce(${apiKeys.rotatedAt}, ${apiKeys.createdAt})`;
  return revokeWhere(
    tx,
    tenantId,
    actor,
    and(
      eq(apiKeys.staffId, staffId),
      or(
        isNull(apiKeys.issuedSessionId),
        inArray(apiKeys.issuedSessionId, ended),
        gt(apiKeys.previousUntil, sql`clock_timestamp()`),
        since ? gte(issuedAt, sql`${since.toISOString()}::timestamptz`) : undefined,
      ),
    ),
  );
}
