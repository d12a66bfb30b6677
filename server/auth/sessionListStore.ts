import { and, count, desc, eq, ne, sql } from 'drizzle-orm';
import type { Db } from '../db';
import { userSessions } from '../db/schema';
import { inTenant } from '../db/tenantScope';
import type { TimeCursor } from '../http/timeCursor';
import { notIdle, notOver } from './sessionStore';

const LISTED = {
  id: userSessions.id,
  createdAt: userSessions.createdAt,
  lastSeenAt: userSessions.lastSeenAt,
  expiresAt: userSessions.expiresAt,
  ip: userSessions.ip,
  country: userSessions.country,
  userAgent: userSessions.userAgent,
  rememberMe: userSessions.rememberMe,
};

export interface SessionsQuery {
  staffId: string;
  sessionVersion: number;
  now: Date;
  /** The session of the caller; null if it has no row. */
  asking: string | null;
}

/** Lists the live sessions of a staff member, newest first, without the caller's own session. */
export function listOtherSessions(
  db: Db,
  tenantId: string,
  query: SessionsQuery & { below: TimeCursor | undefined; limit: number },
) {
  return inTenant(db, tenantId, async (tx) => {
    const { staffId, sessionVersion, now, asking, below, limit } = query;
    const { createdAt, id } = userSessions;
    return tx
      .select(LISTED)
      .from(userSessions)
      .where(
        and(
          notOver(tenantId, staffId, now),
          eq(userSessions.sessionVersion, sessionVersion),
          notIdle(now),
          asking === null ? undefined : ne(id, asking),
          below && sql`(${createdAt}, ${id}) < (${below.occurredAt.toISOString()}, ${below.id})`,
        ),
      )
      .orderBy(desc(createdAt), desc(id))
      .limit(limit);
  });
}

/**
 * Reads the caller's own session. It counts as live as long as its access token is, whatever the
 * state of its refresh token.
 */
export function findAskingSession(
  db: Db,
  tenantId: string,
  { staffId, sessionVersion, now, asking }: SessionsQuery,
) {
  return inTenant(db, tenantId, async (tx) => {
    if (asking === null) return undefined;
    const [row] = await tx
      .select(LISTED)
      .from(userSessions)
      .where(
        and(
          notOver(tenantId, staffId, now),
          eq(userSessions.sessionVersion, sessionVersion),
          eq(userSessions.id, asking),
        ),
      );
    return row;
  });
}

/** Counts the live sessions of a staff member. */
export function countLiveSessions(
  db: Db,
  tenantId: string,
  { staffId, sessionVersion, now }: Omit<SessionsQuery, 'asking'>,
): Promise<number> {
  return inTenant(db, tenantId, async (tx) => {
    const current = eq(userSessions.sessionVersion, sessionVersion);
    const [row] = await tx
      .select({ live: count() })
      .from(userSessions)
      .where(and(notOver(tenantId, staffId, now), current, notIdle(now)));
    return row?.live ?? 0;
  });
}
