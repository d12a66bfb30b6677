import { and, eq, gt, isNull, or, sql } from 'drizzle-orm';
import type { Pool } from 'pg';
import { runPrepared } from '../db';
import type { Db, PreparedStatement, Tx } from '../db';
import { MAY_SIGN_IN, maySignIn } from '../db/maySignIn';
import { tenantStaff, tenants, userSessions, users } from '../db/schema';
import type { RevokeReason, StepUpPurpose } from '../db/schema';
import { clientAcrossTenants, inTenant } from '../db/tenantScope';
import { MINUTE_MS } from '../durations';

/** The state against which each authenticated request is checked. */
export interface LiveState {
  tenantId: string;
  userId: string;
  staffId: string;
  /** The version under which the session began; null if only the staff member was read. */
  sessionVersion: number | null;
  /** The current version. */
  staffVersion: number;
  roles: string[];
  permissions: string[];
  email: string;
  name: string | null;
  tenantSlug: string;
  tenantName: string;
  /** User, staff member and tenant are all active. */
  active: boolean;
  /** The session is neither revoked nor expired; true if there is no session to check. */
  live: boolean;
  /** Why the session was revoked; null if it was not, or if there is no session to check. */
  revokeReason: RevokeReason | null;
  /** Milliseconds since the epoch; null if there is no session. */
  lastSeenAt: number | null;
}

/** The state of a session or, without one, of its staff member, for a request of the person. */
export interface CheckedState extends LiveState {
  /** The person has proven their own password or mailbox in this session. */
  ownProof: boolean;
}

const STAFF_COLUMNS = `st.tenant_id AS "tenantId", st.user_id AS "userId", st.id AS "staffId",
  st.session_version AS "staffVersion", st.roles, st.permissions,
  u.email, u.name, t.slug AS "tenantSlug", t.name AS "tenantName",
  (${maySignIn('st', 'u', 't')}) AS active`;

/** The rest of an introspection. */
export interface IntrospectedState extends LiveState {
  /** How the person signed in; null in older rows, and without a session. */
  amr: string[] | null;
  /** When the session began and ends, in milliseconds since the epoch; null without a session. */
  beganAt: number | null;
  endsAt: number | null;
  /** The unused proofs of a window of time, the newest of each purpose. */
  stepUps: readonly { purpose: StepUpPurpose; verifiedAt: number }[];
}

const CHECKED_SESSIONS: PreparedStatement = {
  name: 'checked_sessions',
  text: 'SELECT * FROM gatehouse_checked_sessions($1, $2, $3)',
};

const INTROSPECTED_SESSIONS: PreparedStatement = {
  name: 'introspected_sessions',
  text: 'SELECT * FROM gatehouse_introspected_sessions($1, $2, $3)',
};

/** Returns the key of one session of one tenant, for {@link readCheckedSessions}. */
export const sessionKey = (tenantId: string, sessionId: string): string =>
  `${tenantId}/${sessionId}`;

/**
 * Reads the state of many sessions in one round trip, each within the tenant in its own signed
 * token. Requests of all tenants share it, so it calls a function that row-level security does not
 * bind.
 * @param keys keys from {@link sessionKey}
 */
export const readCheckedSessions = (
  pool: Pool,
  keys: readonly string[],
  now: Date,
): Promise<Map<string, CheckedState>> =>
  readSessions<CheckedState>(pool, CHECKED_SESSIONS, keys, now);

/** Reads with each state what an introspection says besides, as {@link readCheckedSessions} does. */
export const readIntrospectedSessions = (
  pool: Pool,
  keys: readonly string[],
  now: Date,
): Promise<Map<string, IntrospectedState>> =>
  readSessions<IntrospectedState>(pool, INTROSPECTED_SESSIONS, keys, now);

async function readSessions<State extends LiveState>(
  pool: Pool,
  statement: PreparedStatement,
  keys: readonly string[],
  now: Date,
): Promise<Map<string, State>> {
  const asked = keys.map((key) => key.split('/'));
  const rows = await runPrepared<State & { id: string }>(pool, statement, [
    asked.map(([, sessionId]) => sessionId),
    asked.map(([tenantId]) => tenantId),
    now,
  ]);
  return new Map(rows.map((row) => [sessionKey(row.tenantId, row.id), row]));
}

/** The state of a staff member without a session. */
export interface StaffState extends LiveState {
  /** When the membership ends, in milliseconds since the epoch; null if it has no end. */
  endsAt: number | null;
}

/** Reads only the staff member's state, for tokens without a session. */
export function readLiveStaff(
  db: Db,
  tenantId: string,
  userId: string,
): Promise<StaffState | undefined> {
  return inTenant(db, tenantId, async (tx) => {
    const { rows } = await tx.execute<StaffState & Record<string, unknown>>(
      sql`SELECT ${sql.raw(STAFF_COLUMNS)}, NULL::int AS "sessionVersion", true AS live,
        NULL::text AS "revokeReason", NULL::float8 AS "lastSeenAt",
        (extract(epoch FROM st.ends_at) * 1000)::float8 AS "endsAt"
        FROM tenant_staff st JOIN users u ON u.id = st.user_id JOIN tenants t ON t.id = st.tenant_id
        WHERE st.tenant_id = ${tenantId} AND st.user_id = ${userId}`,
    );
    return rows[0];
  });
}

/** `last_seen_at` is written again only after this time, because each write costs an update. */
export const TOUCH_AFTER_MS = MINUTE_MS;
/** The same time as SQL. */
export const TOUCH_AFTER = `interval '${TOUCH_AFTER_MS} milliseconds'`;

const TOUCH_SESSIONS: PreparedStatement = {
  name: 'touch_sessions',
  text: `UPDATE user_sessions SET last_seen_at = $2
    WHERE id = ANY($1::uuid[]) AND revoked_at IS NULL
      AND last_seen_at < $2::timestamptz - ${TOUCH_AFTER}`,
};

/** Updates `last_seen_at` of sessions that a live check has just found. */
export async function touchSessions(pool: Pool, sessionIds: string[], now: Date): Promise<void> {
  await clientAcrossTenants(pool, 'seen', (client) =>
    runPrepared(client, TOUCH_SESSIONS, [sessionIds, now]),
  );
}

export function insertSession(tx: Tx, row: typeof userSessions.$inferInsert): Promise<void> {
  return inTenant(tx, row.tenantId, async (own) => {
    await own.insert(userSessions).values(row);
  });
}

export interface CurrentStaff {
  sessionVersion: number;
  active: boolean;
}

/**
 * Reads the version under which a session opened now begins, and whether the person may sign in.
 */
export function readCurrentStaff(
  tx: Tx,
  tenantId: string,
  staffId: string,
): Promise<CurrentStaff | undefined> {
  return inTenant(tx, tenantId, async (own) => {
    const [row] = await own
      .select({
        sessionVersion: tenantStaff.sessionVersion,
        active: MAY_SIGN_IN,
      })
      .from(tenantStaff)
      .innerJoin(users, eq(users.id, tenantStaff.userId))
      .innerJoin(tenants, eq(tenants.id, tenantStaff.tenantId))
      .where(and(eq(tenantStaff.tenantId, tenantId), eq(tenantStaff.id, staffId)));
    return row;
  });
}

/**
 * The stored origin of a session: the place and device from which it is used; null for unknown
 * parts.
 */
export interface StoredOrigin {
  country: string | null;
  network: string | null;
  deviceHashes: string[] | null;
  /** When a step-up proof confirmed the origin; null if none has. */
  provenAt: Date | null;
}

/** @returns the stored origin, or undefined if the session is not live */
export function findSessionOrigin(
  db: Db,
  tenantId: string,
  query: { sessionId: string; now: Date },
): Promise<StoredOrigin | undefined> {
  return inTenant(db, tenantId, async (tx) => {
    const { country, network, deviceHashes, originProvenAt: provenAt } = userSessions;
    const [row] = await tx
      .select({ country, network, deviceHashes, provenAt })
      .from(userSessions)
      .where(
        and(
          eq(userSessions.tenantId, tenantId),
          eq(userSessions.id, query.sessionId),
          isNull(userSessions.revokedAt),
          gt(userSessions.expiresAt, query.now),
        ),
      );
    return row;
  });
}

/** Returns why a session was revoked; null if it was not, or does not exist. */
export function findSessionEnd(
  db: Db,
  tenantId: string,
  sessionId: string,
): Promise<RevokeReason | null> {
  return inTenant(db, tenantId, async (tx) => {
    const [row] = await tx
      .select({ reason: userSessions.revokeReason })
      .from(userSessions)
      .where(and(eq(userSessions.tenantId, tenantId), eq(userSessions.id, sessionId)));
    return row?.reason ?? null;
  });
}

/** Moves the stored origin of a live session to the place from which a step-up proof was given. */
export function moveSessionHome(
  tx: Tx,
  tenantId: string,
  home: { sessionId: string } & Record<'country' | 'network', string | null> & {
      deviceHashes: readonly string[];
      now: Date;
    },
): Promise<void> {
  return inTenant(tx, tenantId, async (own) => {
    const { country, network, deviceHashes, now } = home;
    await own
      .update(userSessions)
      .set({
        country,
        network,
        deviceHashes: [...deviceHashes],
        originProvenAt: now,
        // Keep the country of the session's beginning, for the evidence.
        beganCountry: sql`CASE WHEN ${userSessions.originProvenAt} IS NULL THEN ${userSessions.country} ELSE ${userSessions.beganCountry} END`,
      })
      .where(
        and(
          eq(userSessions.tenantId, tenantId),
          eq(userSessions.id, home.sessionId),
          isNull(userSessions.revokedAt),
        ),
      );
  });
}

/** Matches sessions that are neither revoked nor past their absolute end. */
export const notOver = (tenantId: string, staffId: string, now: Date) =>
  and(
    eq(userSessions.tenantId, tenantId),
    eq(userSessions.staffId, staffId),
    isNull(userSessions.revokedAt),
    gt(userSessions.expiresAt, now),
  );

/**
 * Matches sessions with an unexpired refresh token. Without one a session is past its idle limit,
 * and nothing can prolong it.
 */
export const notIdle = (now: Date) =>
  sql`EXISTS (SELECT FROM refresh_tokens t WHERE t.tenant_id = ${userSessions.tenantId} AND t.session_id = ${userSessions.id}
    AND t.revoked_at IS NULL AND NOT t.is_revoked AND t.expires_at > ${now.toISOString()})`;

/**
 * @returns whether the staff member had such a session, neither revoked nor past its absolute end
 */
export function revokeSession(
  tx: Tx,
  tenantId: string,
  query: { staffId: string; sessionId: string; reason: RevokeReason; now: Date },
): Promise<boolean> {
  return inTenant(tx, tenantId, async (own) => {
    const rows = await own
      .update(userSessions)
      .set({ revokedAt: query.now, revokeReason: query.reason })
      .where(and(notOver(tenantId, query.staffId, query.now), eq(userSessions.id, query.sessionId)))
      .returning({ id: userSessions.id });
    return rows.length === 1;
  });
}

/**
 * The sessions to end, and the reason. The family of a replayed token gets a different reason from
 * the rest.
 */
export interface Invalidation {
  staffId: string;
  reason: RevokeReason;
  family?: { familyId: string; sessionId: string | null; reason: RevokeReason };
  now: Date;
}

/** @returns the new version, or undefined if the tenant has no such staff member */
export function bumpSessionVersion(
  tx: Tx,
  tenantId: string,
  staffId: string,
): Promise<number | undefined> {
  return inTenant(tx, tenantId, async (own) => {
    const [row] = await own
      .update(tenantStaff)
      .set({ sessionVersion: sql`${tenantStaff.sessionVersion} + 1` })
      .where(and(eq(tenantStaff.tenantId, tenantId), eq(tenantStaff.id, staffId)))
      .returning({ sessionVersion: tenantStaff.sessionVersion });
    return row?.sessionVersion;
  });
}

/**
 * Revokes the live sessions of a staff member, and the session of a replayed token whatever its
 * state. Call it before their refresh tokens are revoked, because the tokens show which sessions
 * are live.
 * @param endedVersion the session version under which the sessions to end were live
 * @returns how many sessions were revoked
 */
export function revokeAllSessions(
  tx: Tx,
  tenantId: string,
  what: Invalidation,
  endedVersion: number,
): Promise<number> {
  return inTenant(tx, tenantId, async (own) => {
    const { staffId, now } = what;
    const special = what.family?.sessionId;
    const rows = await own
      .update(userSessions)
      .set({
        revokedAt: what.now,
        revokeReason: special
          ? sql`CASE WHEN ${userSessions.id} = ${special} THEN ${what.family?.reason}::revoke_reason ELSE ${what.reason}::revoke_reason END`
          : what.reason,
      })
      .where(
        and(
          eq(userSessions.tenantId, tenantId),
          eq(userSessions.staffId, staffId),
          isNull(userSessions.revokedAt),
          or(
            and(
              gt(userSessions.expiresAt, now),
              eq(userSessions.sessionVersion, endedVersion),
              notIdle(now),
            ),
            special ? eq(userSessions.id, special) : undefined,
          ),
        ),
      )
      .returning({ id: userSessions.id });
    return rows.length;
  });
}
