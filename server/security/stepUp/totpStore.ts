import { and, asc, eq, gt, isNotNull, isNull, lt, or } from 'drizzle-orm';
import type { Db, Tx } from '../../db';
import { userTotp } from '../../db/schema';
import { inTenant } from '../../db/tenantScope';

export type TotpRow = typeof userTotp.$inferSelect;
export type NewTotpRow = typeof userTotp.$inferInsert;

const ofStaff = (tenantId: string, staffId: string) =>
  and(eq(userTotp.tenantId, tenantId), eq(userTotp.staffId, staffId));

/** Lists the confirmed authenticators, oldest first. */
export function listTotp(db: Db | Tx, tenantId: string, staffId: string): Promise<TotpRow[]> {
  return inTenant(db, tenantId, async (tx) => {
    return tx
      .select()
      .from(userTotp)
      .where(and(ofStaff(tenantId, staffId), isNotNull(userTotp.confirmedAt)))
      .orderBy(asc(userTotp.createdAt), asc(userTotp.id));
  });
}

export function hasTotp(db: Db | Tx, tenantId: string, staffId: string): Promise<boolean> {
  return inTenant(db, tenantId, async (tx) => {
    const rows = await tx
      .select({ id: userTotp.id })
      .from(userTotp)
      .where(and(ofStaff(tenantId, staffId), isNotNull(userTotp.confirmedAt)))
      .limit(1);
    return rows.length === 1;
  });
}

/** Finds the authenticator whose enrolment is still open: it was begun after a moment. */
export function findPendingTotp(
  db: Db,
  tenantId: string,
  { staffId, begunAfter }: { staffId: string; begunAfter: Date },
): Promise<TotpRow | undefined> {
  return inTenant(db, tenantId, async (tx) => {
    const [row] = await tx
      .select()
      .from(userTotp)
      .where(
        and(
          ofStaff(tenantId, staffId),
          isNull(userTotp.confirmedAt),
          gt(userTotp.createdAt, begunAfter),
        ),
      );
    return row;
  });
}

/** Replaces an enrolment that was never confirmed by a new one. */
export async function replacePendingTotp(tx: Tx, row: NewTotpRow): Promise<void> {
  await tx
    .delete(userTotp)
    .where(and(ofStaff(row.tenantId, row.staffId), isNull(userTotp.confirmedAt)));
  await tx.insert(userTotp).values(row);
}

export async function insertTotp(tx: Tx, row: NewTotpRow): Promise<void> {
  await tx.insert(userTotp).values(row);
}

/**
 * Deletes every authenticator of a staff member.
 * @returns the ids of those that were confirmed
 */
export async function deleteTotp(tx: Tx, tenantId: string, staffId: string): Promise<string[]> {
  const rows = await tx
    .delete(userTotp)
    .where(ofStaff(tenantId, staffId))
    .returning({ id: userTotp.id, confirmedAt: userTotp.confirmedAt });
  return rows.flatMap(({ id, confirmedAt }) => (confirmedAt === null ? [] : [id])).sort();
}

/** Counts the confirmed authenticators of a staff member. */
export async function countTotp(tx: Tx, tenantId: string, staffId: string): Promise<number> {
  return (await listTotp(tx, tenantId, staffId)).length;
}

/** @returns false if another request confirmed or replaced it first */
export async function confirmTotp(
  tx: Tx,
  row: TotpRow,
  proof: { name: string; step: number; now: Date },
): Promise<boolean> {
  const rows = await tx
    .update(userTotp)
    .set({ name: proof.name, confirmedAt: proof.now, lastUsedStep: proof.step })
    .where(
      and(
        ofStaff(row.tenantId, row.staffId),
        eq(userTotp.id, row.id),
        isNull(userTotp.confirmedAt),
      ),
    )
    .returning({ id: userTotp.id });
  return rows.length === 1;
}

/**
 * Marks a time step as used in one statement. A code works once, even if it is sent fifty times at
 * once, and an earlier code never works after a later one (RFC 6238 5.2).
 * @returns false if this step, or a later one, was used already
 */
export async function spendTotpStep(
  tx: Tx,
  row: TotpRow,
  { step, now }: { step: number; now: Date },
): Promise<boolean> {
  const rows = await tx
    .update(userTotp)
    .set({ lastUsedStep: step, lastUsedAt: now })
    .where(
      and(
        ofStaff(row.tenantId, row.staffId),
        eq(userTotp.id, row.id),
        or(isNull(userTotp.lastUsedStep), lt(userTotp.lastUsedStep, step)),
      ),
    )
    .returning({ id: userTotp.id });
  return rows.length === 1;
}
