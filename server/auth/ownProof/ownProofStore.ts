import { and, eq, gt, isNotNull, isNull, sql } from 'drizzle-orm';
import type { Db, Tx } from '../../db';
import { MAY_SIGN_IN } from '../../db/maySignIn';
import { tenantStaff, tenants, userSessions, users } from '../../db/schema';
import { acrossTenants, inTenant } from '../../db/tenantScope';
import { notIdle } from '../sessionStore';

/** The session in which a person proves themselves. */
export interface ProvenSession {
  tenantId: string;
  staffId: string;
  sessionId: string;
}

/**
 * Matches sessions in which a person can act now: not revoked, not past their end or idle limit, and
 * of the current version of a member who may sign in.
 */
const lives = (now: Date) =>
  and(
    isNull(userSessions.revokedAt),
    gt(userSessions.expiresAt, now),
    notIdle(now),
    eq(
      userSessions.sessionVersion,
      sql`(SELECT ${tenantStaff.sessionVersion} FROM ${tenantStaff}
        JOIN ${users} ON ${users.id} = ${tenantStaff.userId}
        JOIN ${tenants} ON ${tenants.id} = ${tenantStaff.tenantId}
        WHERE ${tenantStaff.tenantId} = ${userSessions.tenantId}
          AND ${tenantStaff.id} = ${userSessions.staffId} AND ${MAY_SIGN_IN})`,
    ),
  );

const isSession = ({ tenantId, staffId, sessionId }: ProvenSession) =>
  and(
    eq(userSessions.tenantId, tenantId),
    eq(userSessions.staffId, staffId),
    eq(userSessions.id, sessionId),
  );

/** A proof ends the link that was mailed for it. */
const proven = (now: Date) => ({
  ownProofAt: now,
  ownProofLink: null,
  ownProofLinkUntil: null,
});

/**
 * Notes that the person has proven themselves in a session.
 * @returns false if the session has ended
 */
export function noteOwnProof(tx: Tx, session: ProvenSession, now: Date): Promise<boolean> {
  return inTenant(tx, session.tenantId, async (own) => {
    const rows = await own
      .update(userSessions)
      .set(proven(now))
      .where(and(isSession(session), lives(now)))
      .returning({ id: userSessions.id });
    return rows.length === 1;
  });
}

/**
 * Stores a link of a session; the one before ends.
 * @returns false if the session has ended
 */
export function keepOwnProofLink(
  tx: Tx,
  session: ProvenSession,
  link: { id: string; expiresAt: Date; now: Date },
): Promise<boolean> {
  return inTenant(tx, session.tenantId, async (own) => {
    const rows = await own
      .update(userSessions)
      .set({ ownProofLink: link.id, ownProofLinkUntil: link.expiresAt })
      .where(and(isSession(session), lives(link.now)))
      .returning({ id: userSessions.id });
    return rows.length === 1;
  });
}

/** Matches the session whose link still works. */
const hasLink = (id: string, now: Date) =>
  and(eq(userSessions.ownProofLink, id), gt(userSessions.ownProofLinkUntil, now), lives(now));

/** Finds the session that a link names, live or not. */
const findNamed = (db: Db, id: string): Promise<ProvenSession | undefined> =>
  acrossTenants(db, 'link', async (tx) => {
    const { tenantId, staffId, id: sessionId } = userSessions;
    const [row] = await tx
      .select({ tenantId, staffId, sessionId })
      .from(userSessions)
      .where(eq(userSessions.ownProofLink, id));
    return row;
  });

/**
 * Finds the session of a link by the link's id alone: the tag of the id has proven that this server
 * mailed it.
 * @returns undefined if the link was used, replaced or has expired, or if the session has ended
 */
export async function findOwnProofLink(
  db: Db,
  id: string,
  now: Date,
): Promise<ProvenSession | undefined> {
  const named = await findNamed(db, id);
  if (!named) return undefined;
  // Whether it lives depends on rows that only its own tenant shows.
  return inTenant(db, named.tenantId, async (tx) => {
    const [row] = await tx
      .select({ id: userSessions.id })
      .from(userSessions)
      .where(and(isSession(named), hasLink(id, now)));
    return row && named;
  });
}

/**
 * Uses up a link and notes the proof, in one statement: of many concurrent requests it lets one
 * through.
 * @returns false if the link does not work any more
 */
export function useOwnProofLink(
  tx: Tx,
  session: ProvenSession,
  { id, now }: { id: string; now: Date },
): Promise<boolean> {
  return inTenant(tx, session.tenantId, async (own) => {
    const rows = await own
      .update(userSessions)
      .set(proven(now))
      .where(and(isSession(session), hasLink(id, now)))
      .returning({ id: userSessions.id });
    return rows.length === 1;
  });
}

/**
 * Ends the links of a member's sessions. Call it if their address changes: the old mailbox proves
 * nothing any more. The caller holds the lock of the staff member's row.
 */
export function endOwnProofLinks(tx: Tx, tenantId: string, staffId: string): Promise<void> {
  return inTenant(tx, tenantId, async (own) => {
    await own
      .update(userSessions)
      .set({ ownProofLink: null, ownProofLinkUntil: null })
      .where(
        and(
          eq(userSessions.tenantId, tenantId),
          eq(userSessions.staffId, staffId),
          isNotNull(userSessions.ownProofLink),
        ),
      );
  });
}
