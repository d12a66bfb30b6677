import { and, eq, gt, inArray, isNull, sql } from 'drizzle-orm';
import type { SsoRefusal } from '../../audit';
import type { Db, Tx } from '../../db';
import { ssoAttempts } from '../../db/schema';
import type { SsoAttemptKind } from '../../db/schema';
import { inTenant } from '../../db/tenantScope';

export type AttemptRow = typeof ssoAttempts.$inferSelect;
type Insert = typeof ssoAttempts.$inferInsert;
export type NewAttempt = Omit<Insert, 'createdAt' | 'expiresAt'> & { id: string };

/** How long a browser may stay at the provider, and how long its page may take afterwards. */
export const ATTEMPT_SEC = 600;

/** The database's clock, rounded down as the columns are read. */
const NOW = sql`date_trunc('milliseconds', clock_timestamp())`;
const END = sql`${NOW} + make_interval(secs => ${ATTEMPT_SEC})`;

const notOver = and(isNull(ssoAttempts.finishedAt), gt(ssoAttempts.expiresAt, NOW));

/**
 * Counts the attempts of one sender at one tenant that are not over and have signed nobody in. A
 * refused one counts until it expires: each has cost an event and a question to the provider.
 * @param senderHashes the hash of the sender under each accepted key
 */
export async function countOpen(
  tx: Tx,
  tenantId: string,
  senderHashes: readonly Buffer[],
): Promise<number> {
  const [row] = await tx
    .select({ open: sql<number>`count(*)::int` })
    .from(ssoAttempts)
    .where(
      and(
        eq(ssoAttempts.tenantId, tenantId),
        inArray(ssoAttempts.senderHash, [...senderHashes]),
        sql`${ssoAttempts.outcome} IS DISTINCT FROM 'done'`,
        gt(ssoAttempts.expiresAt, NOW),
      ),
    );
  return row?.open ?? 0;
}

/** Stores an attempt. @returns when it ends, by the database's clock */
export async function insertAttempt(tx: Tx, row: NewAttempt): Promise<Date> {
  const [stored] = await tx
    .insert(ssoAttempts)
    .values({ ...row, createdAt: NOW, expiresAt: END })
    .returning({ expiresAt: ssoAttempts.expiresAt });
  if (!stored) throw new Error('an attempt was not stored');
  return stored.expiresAt;
}

/** An attempt as a browser names it: the hashes of its state and its cookie under each accepted key. */
export interface NamedAttempt {
  readonly connectionId: string;
  readonly stateHashes: readonly Buffer[];
  readonly cookieHashes: readonly Buffer[];
}

const stated = (tenantId: string, { stateHashes }: NamedAttempt) =>
  and(eq(ssoAttempts.tenantId, tenantId), inArray(ssoAttempts.stateHash, [...stateHashes]));

/**
 * Takes the attempt with which a browser comes back. It is taken once, by one request: the statement
 * that finds it also marks it, before the code is sent to the provider.
 * @returns undefined if there is none that the browser may use
 */
export const takeAttempt = (
  db: Db,
  tenantId: string,
  named: NamedAttempt,
): Promise<AttemptRow | undefined> =>
  inTenant(db, tenantId, async (tx) => {
    const [row] = await tx
      .update(ssoAttempts)
      .set({ calledBackAt: NOW })
      .where(
        and(
          stated(tenantId, named),
          eq(ssoAttempts.connectionId, named.connectionId),
          inArray(ssoAttempts.cookieHash, [...named.cookieHashes]),
          isNull(ssoAttempts.calledBackAt),
          notOver,
        ),
      )
      .returning();
    return row;
  });

/**
 * Finds out why an attempt could not be taken. It changes nothing.
 * @returns undefined if the tenant has no attempt with this state
 */
export async function explainUntaken(
  tx: Tx,
  tenantId: string,
  named: NamedAttempt,
): Promise<Extract<SsoRefusal, `attempt_${string}`> | undefined> {
  const [row] = await tx
    .select({
      connectionId: ssoAttempts.connectionId,
      own: sql<boolean>`${inArray(ssoAttempts.cookieHash, [...named.cookieHashes])}`,
      used: sql<boolean>`${ssoAttempts.calledBackAt} IS NOT NULL OR ${ssoAttempts.finishedAt} IS NOT NULL`,
    })
    .from(ssoAttempts)
    .where(stated(tenantId, named));
  if (!row) return undefined;
  if (row.connectionId !== named.connectionId) return 'attempt_of_other_connection';
  if (!row.own) return 'attempt_of_other_browser';
  return row.used ? 'attempt_used' : 'attempt_expired';
}

const one = (tenantId: string, id: string) =>
  and(eq(ssoAttempts.tenantId, tenantId), eq(ssoAttempts.id, id));

/** Stores the claims of an attempt, for the request that completes it. */
export const keepClaims = (
  db: Db,
  tenantId: string,
  { id, claimsSealed }: { id: string; claimsSealed: Buffer },
): Promise<void> =>
  inTenant(db, tenantId, async (tx) => {
    await tx.update(ssoAttempts).set({ claimsSealed }).where(one(tenantId, id));
  });

/**
 * Ends an attempt.
 * @param outcome `done`, or the reason of the refusal
 * @param claimsSealed claims to keep for the administrator who tries a connection
 */
export async function finishAttempt(
  tx: Tx,
  tenantId: string,
  {
    id,
    outcome,
    claimsSealed = null,
  }: { id: string; outcome: string; claimsSealed?: Buffer | null },
): Promise<void> {
  await tx
    .update(ssoAttempts)
    .set({ finishedAt: NOW, outcome, claimsSealed })
    .where(one(tenantId, id));
}

/** An attempt that is being completed. */
export type ReturnedAttempt = Pick<
  AttemptRow,
  'id' | 'tenantId' | 'connectionId' | 'staffId' | 'userId' | 'sessionId' | 'rememberMe'
> & { claimsSealed: Buffer };

/**
 * Takes the claims of the attempt of a browser, once, by one request. The claims leave the database.
 * @param kind attempts of another kind are not touched
 */
export const takeClaims = (
  db: Db | Tx,
  tenantId: string,
  { cookieHashes, kind }: { cookieHashes: readonly Buffer[]; kind: SsoAttemptKind },
): Promise<ReturnedAttempt | undefined> =>
  inTenant(db, tenantId, async (tx) => {
    const { id, connectionId, staffId, userId, sessionId, rememberMe, claimsSealed } = ssoAttempts;
    const columns = { id, connectionId, staffId, userId, sessionId, rememberMe, claimsSealed };
    // The row is locked and read, and erased by the same statement: of many requests at the same
    // time, those that wait for the lock find nothing.
    const taken = tx.$with('taken').as(
      tx
        .select(columns)
        .from(ssoAttempts)
        .where(
          and(
            eq(ssoAttempts.tenantId, tenantId),
            eq(ssoAttempts.kind, kind),
            inArray(ssoAttempts.cookieHash, [...cookieHashes]),
            sql`${ssoAttempts.claimsSealed} IS NOT NULL`,
            notOver,
          ),
        )
        .for('update'),
    );
    const [row] = await tx
      .with(taken)
      .update(ssoAttempts)
      .set({ finishedAt: NOW, outcome: 'done', claimsSealed: null })
      .from(taken)
      .where(and(eq(ssoAttempts.tenantId, tenantId), eq(ssoAttempts.id, taken.id)))
      .returning({
        id: ssoAttempts.id,
        tenantId: ssoAttempts.tenantId,
        connectionId: ssoAttempts.connectionId,
        staffId: ssoAttempts.staffId,
        userId: ssoAttempts.userId,
        sessionId: ssoAttempts.sessionId,
        rememberMe: ssoAttempts.rememberMe,
        claimsSealed: taken.claimsSealed,
      });
    if (!row?.claimsSealed) return undefined;
    return { ...row, claimsSealed: row.claimsSealed };
  });

/** Finds the attempt of an administrator who tried a connection. */
export const findTry = (
  db: Db,
  tenantId: string,
  query: { id: string; connectionId: string; staffId: string },
): Promise<AttemptRow | undefined> =>
  inTenant(db, tenantId, async (tx) => {
    const [row] = await tx
      .select()
      .from(ssoAttempts)
      .where(
        and(
          one(tenantId, query.id),
          eq(ssoAttempts.kind, 'try'),
          eq(ssoAttempts.connectionId, query.connectionId),
          eq(ssoAttempts.staffId, query.staffId),
        ),
      );
    return row;
  });
