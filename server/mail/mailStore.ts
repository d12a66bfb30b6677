import { and, eq, gt, isNull, lt, sql } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { mails, tenantStaff, tenants, users } from '../db/schema';
import { acrossTenants, inTenant } from '../db/tenantScope';
import { SECOND_MS } from '../durations';

type NewMail = Omit<typeof mails.$inferInsert, 'nextTryAt' | 'tries' | 'sealed'> & {
  sealed: Buffer;
};

/** A mail that only this node may send until its claim expires. */
export interface ClaimedMail {
  id: string;
  tenantId: string;
  kind: string;
  sealed: Buffer | null;
  /** The id of the ENCRYPTION_KEY that sealed it; null in older rows. */
  keyId: string | null;
  /** Including this try. */
  tries: number;
  expired: boolean;
}

const waiting = and(isNull(mails.sentAt), isNull(mails.givenUpAt));
/** Uses the database's clock, so that nodes with different clocks agree on who holds the claim. */
const inMs = (ms: number) => sql`now() + make_interval(secs => ${ms / SECOND_MS})`;

/** Queues a mail that is due at once. */
export function insertMail(tx: Tx, row: NewMail): Promise<void> {
  return inTenant(tx, row.tenantId, async (own) => {
    // The column would round the time up, and the mail could not be claimed for half a millisecond.
    const nextTryAt = sql`date_trunc('milliseconds', now())`;
    await own.insert(mails).values({ ...row, nextTryAt });
  });
}

/**
 * Claims mails that are due, in order of expiry, in one statement. Only one node gets each mail,
 * and no transaction stays open during the SMTP conversation.
 * @param claimMs how long no other node may claim them, in milliseconds; it must be longer than
 * sending takes
 */
export function claimDueMails(
  db: Db,
  most: number,
  claimMs: number,
): Promise<readonly ClaimedMail[]> {
  return acrossTenants(db, 'mailer', async (tx) => {
    const due = sql`SELECT ${mails.id} FROM ${mails} WHERE ${waiting} AND ${mails.nextTryAt} <= now()
    ORDER BY ${mails.expiresAt}, ${mails.id} LIMIT ${most} FOR UPDATE SKIP LOCKED`;
    const rows = await tx
      .update(mails)
      .set({ nextTryAt: inMs(claimMs), tries: sql`${mails.tries} + 1` })
      // The array is built once. A join could evaluate the subquery more than once, and claim more
      // rows than asked for.
      .where(sql`${mails.id} = ANY(ARRAY(${due}))`)
      .returning({
        id: mails.id,
        tenantId: mails.tenantId,
        kind: mails.kind,
        sealed: mails.sealed,
        keyId: mails.keyId,
        tries: mails.tries,
        expiresAt: mails.expiresAt,
        expired: sql<boolean>`${mails.expiresAt} <= now()`,
      });
    return rows.sort((one, other) => one.expiresAt.getTime() - other.expiresAt.getTime());
  });
}

/** Marks a mail as sent and deletes its content. */
export function markMailSent(db: Db, id: string): Promise<void> {
  return acrossTenants(db, 'mailer', async (tx) => {
    const done = { sentAt: sql`now()`, sealed: null, lastError: null };
    await tx
      .update(mails)
      .set(done)
      .where(and(eq(mails.id, id), waiting));
  });
}

/** Matches the mail only while this node's claim holds: each new claim raises `tries`. */
const stillClaimed = ({ id, tries }: Pick<ClaimedMail, 'id' | 'tries'>) =>
  and(eq(mails.id, id), eq(mails.tries, tries), waiting);

/** @param retryMs when it is due again, in milliseconds from now */
export function markMailFailed(
  db: Db,
  mail: Pick<ClaimedMail, 'id' | 'tries'>,
  lastError: string,
  retryMs: number,
): Promise<void> {
  return acrossTenants(db, 'mailer', async (tx) => {
    await tx
      .update(mails)
      .set({ lastError, nextTryAt: inMs(retryMs) })
      .where(stillClaimed(mail));
  });
}

/** Marks a mail as given up and deletes its content. */
export function markMailGivenUp(
  db: Db,
  mail: Pick<ClaimedMail, 'id' | 'tries'>,
  lastError: string,
): Promise<void> {
  return acrossTenants(db, 'mailer', async (tx) => {
    await tx
      .update(mails)
      .set({ lastError, givenUpAt: sql`now()`, sealed: null })
      .where(stillClaimed(mail));
  });
}

/** Counts the mails that are neither sent nor given up. */
export function countWaitingMails(db: Db): Promise<number> {
  return acrossTenants(db, 'mailer', async (tx) => {
    return tx.$count(mails, waiting);
  });
}

/**
 * Gives up mails that have expired, so that their content is deleted even if no node sends mails.
 * @returns how many
 */
export function giveUpExpiredMails(db: Db): Promise<number> {
  return acrossTenants(db, 'mailer', async (tx) => {
    const rows = await tx
      .update(mails)
      .set({ lastError: 'expired', givenUpAt: sql`now()`, sealed: null })
      .where(and(waiting, sql`${mails.expiresAt} <= now()`, sql`${mails.nextTryAt} <= now()`))
      .returning({ id: mails.id });
    return rows.length;
  });
}

/**
 * Deletes a batch of mails.
 * @returns how many were deleted; 0 if none is left
 */
export function purgeMails(db: Db, before: Date, most = 500): Promise<number> {
  return acrossTenants(db, 'purge', async (tx) => {
    const old = sql`SELECT ${mails.id} FROM ${mails} WHERE ${lt(mails.createdAt, before)} LIMIT ${most} FOR UPDATE SKIP LOCKED`;
    const { rowCount } = await tx.delete(mails).where(sql`${mails.id} = ANY(ARRAY(${old}))`);
    return rowCount ?? 0;
  });
}

/** Reads a staff member's e-mail address and the name of their tenant. */
export function readAddressee(tx: Tx, tenantId: string, staffId: string) {
  return inTenant(tx, tenantId, async (own) => {
    const [row] = await own
      .select({ userId: users.id, email: users.email, tenantName: tenants.name })
      .from(tenantStaff)
      .innerJoin(users, eq(users.id, tenantStaff.userId))
      .innerJoin(tenants, eq(tenants.id, tenantStaff.tenantId))
      .where(and(eq(tenantStaff.tenantId, tenantId), eq(tenantStaff.id, staffId)));
    return row;
  });
}

/**
 * Finds a mail by its id alone: the tag of the id has proven that this server sent it. A mail of a
 * tenant that is suspended or deleted is not found.
 */
export function findMailOrigin(db: Db, id: string) {
  return acrossTenants(db, 'link', async (tx) => {
    const { tenantId, staffId, kind, createdAt } = mails;
    const [row] = await tx
      .select({ tenantId, staffId, kind, createdAt })
      .from(mails)
      .innerJoin(tenants, eq(tenants.id, mails.tenantId))
      .where(and(eq(mails.id, id), eq(tenants.status, 'active')));
    return row;
  });
}

/**
 * Takes a lock for this person and kind of mail, so that only one of several concurrent callers
 * sends it.
 * @returns whether such a mail was queued since that moment
 */
export function wasMailedSince(
  tx: Tx,
  { tenantId, staffId }: { tenantId: string; staffId: string },
  { kind, since }: { kind: string; since: Date },
): Promise<boolean> {
  return inTenant(tx, tenantId, async (own) => {
    await own.execute(
      sql`SELECT pg_advisory_xact_lock(hashtextextended(${`${kind}/${staffId}`}, 0))`,
    );
    const rows = await own
      .select({ id: mails.id })
      .from(mails)
      .where(
        and(
          eq(mails.tenantId, tenantId),
          eq(mails.staffId, staffId),
          eq(mails.kind, kind),
          gt(mails.createdAt, since),
        ),
      )
      .limit(1);
    return rows.length > 0;
  });
}
