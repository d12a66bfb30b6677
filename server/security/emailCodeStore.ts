import { and, asc, eq, gt, isNull, lt, lte, or, sql } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { stepUpChallenges, tenants, users } from '../db/schema';
import { stillOpen } from './challengeStore';
import type { Challenge } from './challengeStore';

/** The challenges of a staff member since then for which codes were mailed, and how many, oldest first. */
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
 * Puts a code in the place of the one before: the newest alone counts.
 * @param limits how many a challenge may have, and the last moment at which the one before may have been sent
 * @returns false where the challenge is not open any more, or it is too soon or too often
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

/** Uses the code up in one statement. @returns false where it was used, or another took its place */
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

/** Where a person's mail goes, and what their tenant is called. */
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
