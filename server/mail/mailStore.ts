import { and, eq, gt, isNull, lt, sql } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { mails, tenantStaff, tenants, users } from '../db/schema';

type NewMail = Omit<typeof mails.$inferInsert, 'nextTryAt' | 'tries' | 'sealed'> & {
  sealed: Buffer;
};

/** A mail that this node alone may send until its claim runs out. */
export interface ClaimedMail {
  id: string;
  tenantId: string;
  kind: string;
  sealed: Buffer | null;
  /** The ENCRYPTION_KEY that sealed it; null in older rows. */
  keyId: string | null;
  /** This one included. */
  tries: number;
  expired: boolean;
}

const waiting = and(isNull(mails.sentAt), isNull(mails.givenUpAt));
/** The database's clock, so that nodes whose clocks differ still agree on whose mail it is. */
const inMs = (ms: number) => sql`now() + make_interval(secs => ${ms / 1000})`;

/** Queues a mail; it is due at once. */
export async function insertMail(tx: Tx, row: NewMail): Promise<void> {
  // Rounded up by the column it would be due half a millisecond later than it can be claimed.
  const nextTryAt = sql`date_trunc('milliseconds', now())`;
  await tx.insert(mails).values({ ...row, nextTryAt });
}

/**
 * Takes mails that are due, those first that expire first, in one statement: of any number of nodes one gets each, and
 * no transaction stays open while a mail server talks.
 * @param claimMs how long nobody else may take them, in milliseconds: longer than sending takes
 */
export async function claimDueMails(
  db: Db,
  most: number,
  claimMs: number,
): Promise<readonly ClaimedMail[]> {
  const due = sql`SELECT ${mails.id} FROM ${mails} WHERE ${waiting} AND ${mails.nextTryAt} <= now()
    ORDER BY ${mails.expiresAt}, ${mails.id} LIMIT ${most} FOR UPDATE SKIP LOCKED`;
  const rows = await db
    .update(mails)
    .set({ nextTryAt: inMs(claimMs), tries: sql`${mails.tries} + 1` })
    // An array is made once, where a join could look the rows up more than once and take more than asked for.
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
}

/** Nothing of its content is kept. */
export async function markMailSent(db: Db, id: string): Promise<void> {
  const done = { sentAt: sql`now()`, sealed: null, lastError: null };
  await db
    .update(mails)
    .set(done)
    .where(and(eq(mails.id, id), waiting));
}

/** A claim that has passed to another node is left alone. */
const stillClaimed = ({ id, tries }: Pick<ClaimedMail, 'id' | 'tries'>) =>
  and(eq(mails.id, id), eq(mails.tries, tries), waiting);

/** @param retryMs when it is due again, in milliseconds from now */
export async function markMailFailed(
  db: Db,
  mail: Pick<ClaimedMail, 'id' | 'tries'>,
  lastError: string,
  retryMs: number,
): Promise<void> {
  await db
    .update(mails)
    .set({ lastError, nextTryAt: inMs(retryMs) })
    .where(stillClaimed(mail));
}

/** Nothing of its content is kept. */
export async function markMailGivenUp(
  db: Db,
  mail: Pick<ClaimedMail, 'id' | 'tries'>,
  lastError: string,
): Promise<void> {
  await db
    .update(mails)
    .set({ lastError, givenUpAt: sql`now()`, sealed: null })
    .where(stillClaimed(mail));
}

/** How many mails are neither sent nor given up. */
export async function countWaitingMails(db: Db): Promise<number> {
  return db.$count(mails, waiting);
}

/**
 * Gives up what expired while nobody sends mails any more, so that its content is not kept.
 * @returns how many
 */
export async function giveUpExpiredMails(db: Db): Promise<number> {
  const rows = await db
    .update(mails)
    .set({ lastError: 'expired', givenUpAt: sql`now()`, sealed: null })
    .where(and(waiting, sql`${mails.expiresAt} <= now()`, sql`${mails.nextTryAt} <= now()`))
    .returning({ id: mails.id });
  return rows.length;
}

/** Deletes a batch of mails. @returns how many went; 0 if none is left */
export async function purgeMails(db: Db, before: Date, most = 500): Promise<number> {
  const old = sql`SELECT ${mails.id} FROM ${mails} WHERE ${lt(mails.createdAt, before)} LIMIT ${most} FOR UPDATE SKIP LOCKED`;
  const { rowCount } = await db.delete(mails).where(sql`${mails.id} = ANY(ARRAY(${old}))`);
  return rowCount ?? 0;
}

/** Where a staff member's mails go, and what they call the tenant. */
export async function readAddressee(tx: Tx, tenantId: string, staffId: string) {
  const [row] = await tx
    .select({ userId: users.id, email: users.email, tenantName: tenants.name })
    .from(tenantStaff)
    .innerJoin(users, eq(users.id, tenantStaff.userId))
    .innerJoin(tenants, eq(tenants.id, tenantStaff.tenantId))
    .where(and(eq(tenantStaff.tenantId, tenantId), eq(tenantStaff.id, staffId)));
  return row;
}

/** By its id alone: the tag of the id that was sent has proven that we sent it. */
export async function findMailOrigin(db: Db, id: string) {
  const { tenantId, staffId, kind, createdAt } = mails;
  const [row] = await db
    .select({ tenantId, staffId, kind, createdAt })
    .from(mails)
    .where(eq(mails.id, id));
  return row;
}

/**
 * Makes others who would send somebody this kind of mail wait, so that of many at once one does.
 * @returns whether one was queued since the moment
 */
export async function wasMailedSince(
  tx: Tx,
  { tenantId, staffId }: { tenantId: string; staffId: string },
  { kind, since }: { kind: string; since: Date },
): Promise<boolean> {
  await tx.execute(sql`SELECT pg_advisory_xact_lock(hashtextextended(${`${kind}/${staffId}`}, 0))`);
  const rows = await tx
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
}
