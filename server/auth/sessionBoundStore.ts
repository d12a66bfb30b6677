import { and, eq, inArray, isNull, sql } from 'drizzle-orm';
import type { Tx } from '../db';
import { refreshTokens, userSessions } from '../db/schema';
import { inTenant } from '../db/tenantScope';

/** The person whose sessions are limited, and the limit. */
export interface SessionBound {
  staffId: string;
  sessionVersion: number;
  /**
   * The session that was just opened. It stays, even if the clock of another node has dated others
   * later.
   */
  opened: string;
  most: number;
  now: Date;
}

/**
 * Ends the oldest live sessions of a staff member beyond the limit, with their refresh tokens. The
 * caller holds the lock of the staff member's row, so that concurrent logins count each other.
 * @returns the ids of the ended sessions, and the number of ended tokens
 */
export function endOldestSessions(
  tx: Tx,
  tenantId: string,
  { staffId, sessionVersion, opened, most, now }: SessionBound,
): Promise<{ sessionIds: string[]; tokensRevoked: number }> {
  return inTenant(tx, tenantId, async (own) => {
    const at = now.toISOString();
    const ended = await own
      .update(userSessions)
      // The tenant's limit ended it: nobody ended it on purpose, and nothing is suspected.
      .set({ revokedAt: now, revokeReason: 'session_expired' })
      .where(
        and(
          eq(userSessions.tenantId, tenantId),
          isNull(userSessions.revokedAt),
          sql`${userSessions.id} IN (
          SELECT s.id FROM user_sessions s
          WHERE s.tenant_id = ${tenantId} AND s.staff_id = ${staffId} AND s.id <> ${opened}
            AND s.revoked_at IS NULL AND s.session_version = ${sessionVersion} AND s.expires_at > ${at}
            AND EXISTS (SELECT FROM refresh_tokens t WHERE t.tenant_id = s.tenant_id AND t.session_id = s.id
              AND t.revoked_at IS NULL AND NOT t.is_revoked AND t.expires_at > ${at})
          ORDER BY s.created_at DESC, s.id DESC OFFSET ${most - 1})`,
        ),
      )
      .returning({ id: userSessions.id });
    const sessionIds = ended.map(({ id }) => id);
    if (sessionIds.length === 0) return { sessionIds, tokensRevoked: 0 };
    const tokens = await own
      .update(refreshTokens)
      .set({ revokedAt: now, isRevoked: true, revokeReason: 'session_expired' })
      .where(
        and(
          eq(refreshTokens.tenantId, tenantId),
          inArray(refreshTokens.sessionId, sessionIds),
          isNull(refreshTokens.revokedAt),
        ),
      )
      .returning({ id: refreshTokens.id });
    return { sessionIds, tokensRevoked: tokens.length };
  });
}
