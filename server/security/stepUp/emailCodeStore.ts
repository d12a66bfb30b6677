import { and, asc, eq, gt, isNull, lt, lte, or, sql } from 'drizzle-orm';
import type { Db, Tx } from '../../db';
import { stepUpChallenges, tenants, users } from '../../db/schema';
import { stillOpen } from './challengeStore';
import type { Challenge } from './challengeStore';

/**
 * Lists the challenges of a staff member opened after `since` for which codes were mailed, with the
 * number of codes, oldest first.
 */
export async function listCodesMailed(
  tx: Tx,
  { tenantId, staffId }: Pick<Challenge, 'tenantId' | 'staffId'>,
  since: Date,
): Promise<{ createdAt: Date; emailsSent: number }[]> {
  return tx
    .select({ createdAt: stepUpChallenges.createdAt, emailsSent: stepUpChallenges.emailsSent })
    .from(stepUpChallenges)
    .where(
      and(
        eq(stepUpChallenges.tenantId, tenantId),
        eq(stepUpChallenges.staffId, staffId),
        gt(stepUpChallenges.createdAt, since),
        gt(stepUpChallenges.emailsSent, 0),
      ),
    )
    .orderBy(asc(stepUpChallenges.createdAt));
}

/**
 * Stores the hash of a new code, which replaces the one before: only the newest is valid.
 * @param limits the most codes per challenge, and the latest time at which the previous code may
 * have been sent
 * @returns false if the challenge is no longer open, or it is too soon or too often
 */
export async function keepEmailCode(
  tx: Tx,
  { id, tenantId }: Pick<Challenge, 'id' | 'tenantId'>,
  code: { hash: string; now: Date },
  limits: { most: number; sentBefore: Date },
): Promise<boolean> {
  const table = stepUpChallenges;
  const rows = await tx
    .update(table)
    .set({
      emailCodeHash: code.hash,
      emailSentAt: code.now,
      emailsSent: sql`${table.emailsSent} + 1`,
    })
    .where(
      and(
        eq(table.tenantId, tenantId),
        eq(table.id, id),
        stillOpen(code.now),
        lt(table.emailsSent, limits.most),
        or(isNull(table.emailSentAt), lte(table.emailSentAt, limits.sentBefore)),
      ),
    )
    .returning({ id: table.id });
  return rows.length === 1;
}

/**
 * Consumes the code in one statement.
 * @returns false if it was used already, or another one has replaced it
 */
export async function spendEmailCode(
  tx: Tx,
  { id, tenantId }: Pick<Challenge, 'id' | 'tenantId'>,
  hash: string,
): Promise<boolean> {
  const rows = await tx
    .update(stepUpChallenges)
    .set({ emailCodeHash: null })
    .where(
      and(
        eq(stepUpChallenges.tenantId, tenantId),
        eq(stepUpChallenges.id, id),
        eq(stepUpChallenges.emailCodeHash, hash),
      ),
    )
    .returning({ id: stepUpChallenges.id });
  return rows.length === 1;
}

/** Finds a person's e-mail address and the name of their tenant. */
export async function findAddressee(
  db: Db | Tx,
  { tenantId, userId }: Pick<Challenge, 'tenantId' | 'userId'>,
): Promise<{ email: string; tenantName: string } | undefined> {
  const [row] = await db
    .select({ email: users.email, tenantName: tenants.name })
    .from(users)
    .innerJoin(tenants, eq(tenants.id, tenantId))
    .where(eq(users.id, userId));
  return row;
}
