import { and, eq, isNull } from 'drizzle-orm';
import type { Tx } from '../db';
import { refreshTokens, userSessions } from '../db/schema';
import { inTenant } from '../db/tenantScope';

/**
 * Moves a live session to the session version that was raised a moment ago, so that it goes on.
 * @returns false if it was not live under the version before
 */
export function moveSession(
  tx: Tx,
  tenantId: string,
  kept: { staffId: string; sessionId: string; sessionVersion: number },
): Promise<boolean> {
  return inTenant(tx, tenantId, async (own) => {
    const rows = await own
      .update(userSessions)
      .set({ sessionVersion: kept.sessionVersion })
      .where(
        and(
          eq(userSessions.tenantId, tenantId),
          eq(userSessions.staffId, kept.staffId),
          eq(userSessions.id, kept.sessionId),
          eq(userSessions.sessionVersion, kept.sessionVersion - 1),
          isNull(userSessions.revokedAt),
        ),
      )
      .returning({ id: userSessions.id });
    return rows.length === 1;
  });
}

/** Moves the live token of a session to the session version that was raised a moment ago. */
export function moveTokens(
  tx: Tx,
  tenantId: string,
  kept: { staffId: string; sessionId: string; sessionVersion: number },
): Promise<void> {
  return inTenant(tx, tenantId, async (own) => {
    await own
      .update(refreshTokens)
      .set({ sessionVersion: kept.sessionVersion })
      .where(
        and(
          eq(refreshTokens.tenantId, tenantId),
          eq(refreshTokens.staffId, kept.staffId),
          eq(refreshTokens.sessionId, kept.sessionId),
          eq(refreshTokens.sessionVersion, kept.sessionVersion - 1),
          eq(refreshTokens.isRevoked, false),
          isNull(refreshTokens.revokedAt),
        ),
      );
  });
}
