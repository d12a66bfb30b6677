import { and, eq, gt, inArray, isNull, ne, or, sql } from 'drizzle-orm';
import type { SQL } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { MAY_SIGN_IN } from '../db/maySignIn';
import { refreshTokens, tenantStaff, tenants, users } from '../db/schema';
import type { RevokeReason } from '../db/schema';
import { acrossTenants, inTenant } from '../db/tenantScope';
import type { Invalidation } from './sessionStore';

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
export function findTokenByHash(db: Db, tokenHashes: string[]): Promise<StoredToken | undefined> {
  return acrossTenants(db, 'rotation', async (tx) => {
    const [row] = await tx
      .select()
      .from(refreshTokens)
      .where(inArray(refreshTokens.tokenHash, tokenHashes));
    return row;
  });
}

export function insertToken(tx: Tx, row: typeof refreshTokens.$inferInsert): Promise<void> {
  return inTenant(tx, row.tenantId, async (own) => {
    await own.insert(refreshTokens).values(row);
  });
}

/** Returns whether a chain has an unrevoked token, expired or not. */
export function hasLiveLink(db: Db, tenantId: string, familyId: string): Promise<boolean> {
  return inTenant(db, tenantId, async (tx) => {
    const rows = await tx
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
  });
}

/**
 * Returns the reason if a token of the chain, or of the session, was revoked for one of these
 * reasons; otherwise null.
 */
export function findTokenEnd(
  db: Db,
  tenantId: string,
  query: { familyId: string; sessionId: string | null; reasons: readonly RevokeReason[] },
): Promise<RevokeReason | null> {
  return inTenant(db, tenantId, async (tx) => {
    const { familyId, sessionId } = query;
    const [row] = await tx
      .select({ reason: refreshTokens.revokeReason })
      .from(refreshTokens)
      .where(
        and(
          eq(refreshTokens.tenantId, tenantId),
          or(
            eq(familyOf, familyId),
            sessionId ? eq(refreshTokens.sessionId, sessionId) : undefined,
          ),
          inArray(refreshTokens.revokeReason, [...query.reasons]),
        ),
      )
      .limit(1);
    return row?.reason ?? null;
  });
}

/**
 * Locks the staff member's row, so that concurrent changes to their sessions wait: one theft is
 * punished once.
 */
export function lockStaff(tx: Tx, tenantId: string, staffId: string): Promise<void> {
  return inTenant(tx, tenantId, async (own) => {
    await own
      .select({ id: tenantStaff.id })
      .from(tenantStaff)
      .where(and(eq(tenantStaff.tenantId, tenantId), eq(tenantStaff.id, staffId)))
      .for('no key update');
  });
}

/**
 * Locks a token, so that concurrent attempts to give it a session wait: two refreshes at once make
 * one session.
 * @returns whether the token is unrevoked and still has no session
 */
export function lockUnadopted(tx: Tx, tenantId: string, tokenId: string): Promise<boolean> {
  return inTenant(tx, tenantId, async (own) => {
    const rows = await own
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
  });
}

/**
 * Gives a token that was issued without a session its session.
 * @returns false if the token was revoked or already has a session
 */
export function adoptToken(
  tx: Tx,
  tenantId: string,
  query: { tokenId: string; sessionId: string },
): Promise<boolean> {
  return inTenant(tx, tenantId, async (own) => {
    const rows = await own
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
  });
}

/**
 * An expired token has already ended. Revoking it later would change the evidence of a closed
 * quarter.
 */
const notExpired = (now: Date) => gt(refreshTokens.expiresAt, now);

/** @returns how many matching tokens of the tenant were revoked by this call */
function revokeUnrevoked(
  tx: Tx,
  tenantId: string,
  end: { reason: RevokeReason | SQL; now: Date },
  fitting: SQL | undefined,
): Promise<number> {
  return inTenant(tx, tenantId, async (own) => {
    const rows = await own
      .update(refreshTokens)
      .set({ revokedAt: end.now, isRevoked: true, revokeReason: end.reason })
      .where(and(eq(refreshTokens.tenantId, tenantId), isNull(refreshTokens.revokedAt), fitting))
      .returning({ id: refreshTokens.id });
    return rows.length;
  });
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
export function isCurrentStaff(
  db: Db,
  tenantId: string,
  query: { staffId: string; sessionVersion: number },
): Promise<boolean> {
  return inTenant(db, tenantId, async (tx) => {
    const rows = await tx
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
  });
}
