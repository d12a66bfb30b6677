import { and, asc, count, eq, inArray, isNotNull, isNull, max } from 'drizzle-orm';
import type { Db, Tx } from '../../db';
import { passkeys, recoveryCodes, tenantStaff, userTotp } from '../../db/schema';
import { inTenant } from '../../db/tenantScope';

/**
 * The limit for each kind of factor: more than anybody carries, and few enough to check each one
 * against a code.
 */
export const MOST_FACTORS = 10;

/**
 * Locks the factors of a staff member, so that changes and proofs happen one at a time: limits
 * hold, the last factor is recognised as the last, and ending proofs misses none. Every path locks
 * rows in this order: staff, factors, challenges, sessions, tokens.
 */
export function lockFactors(tx: Tx, tenantId: string, staffId: string): Promise<void> {
  return inTenant(tx, tenantId, async (own) => {
    await own
      .select({ id: tenantStaff.id })
      .from(tenantStaff)
      .where(and(eq(tenantStaff.tenantId, tenantId), eq(tenantStaff.id, staffId)))
      .for('no key update');
  });
}

export interface Factor {
  id: string;
  type: 'totp' | 'passkey';
  name: string;
  createdAt: Date;
  lastUsedAt: Date | null;
}

const of = (table: typeof userTotp | typeof passkeys, tenantId: string, staffId: string) =>
  and(eq(table.tenantId, tenantId), eq(table.staffId, staffId));

const named = (table: typeof userTotp | typeof passkeys) => ({
  id: table.id,
  name: table.name,
  createdAt: table.createdAt,
  lastUsedAt: table.lastUsedAt,
});

/** Lists the enrolled factors of a staff member, each kind oldest first. */
export function listFactors(db: Db | Tx, tenantId: string, staffId: string): Promise<Factor[]> {
  return inTenant(db, tenantId, async (tx) => {
    const totp = await tx
      .select(named(userTotp))
      .from(userTotp)
      .where(and(of(userTotp, tenantId, staffId), isNotNull(userTotp.confirmedAt)))
      .orderBy(asc(userTotp.createdAt));
    const keys = await tx
      .select(named(passkeys))
      .from(passkeys)
      .where(of(passkeys, tenantId, staffId))
      .orderBy(asc(passkeys.createdAt));
    return [
      ...totp.map((row) => ({ ...row, type: 'totp' as const })),
      ...keys.map((row) => ({ ...row, type: 'passkey' as const })),
    ];
  });
}

/** @returns the kind of the deleted factor, or undefined if this staff member has no such factor */
export async function deleteFactor(
  tx: Tx,
  tenantId: string,
  query: { staffId: string; id: string },
): Promise<'totp' | 'passkey' | undefined> {
  for (const [table, type] of [
    [userTotp, 'totp'],
    [passkeys, 'passkey'],
  ] as const) {
    const rows = await tx
      .delete(table)
      .where(and(of(table, tenantId, query.staffId), eq(table.id, query.id)))
      .returning({ id: table.id });
    if (rows.length > 0) return type;
  }
  return undefined;
}

const codesOf = (tenantId: string, staffId: string) =>
  and(eq(recoveryCodes.tenantId, tenantId), eq(recoveryCodes.staffId, staffId));

/** Counts the unused recovery codes, and returns when they were created. */
export function countRecoveryCodes(
  db: Db | Tx,
  tenantId: string,
  staffId: string,
): Promise<{ left: number; createdAt: Date | null }> {
  return inTenant(db, tenantId, async (tx) => {
    const [row] = await tx
      .select({ left: count(), createdAt: max(recoveryCodes.createdAt) })
      .from(recoveryCodes)
      .where(and(codesOf(tenantId, staffId), isNull(recoveryCodes.usedAt)));
    return { left: row?.left ?? 0, createdAt: row?.createdAt ?? null };
  });
}

/** @returns how many codes were deleted, including used ones */
export async function deleteRecoveryCodes(
  tx: Tx,
  tenantId: string,
  staffId: string,
): Promise<number> {
  const rows = await tx
    .delete(recoveryCodes)
    .where(codesOf(tenantId, staffId))
    .returning({ id: recoveryCodes.id });
  return rows.length;
}

export async function insertRecoveryCodes(
  tx: Tx,
  rows: (typeof recoveryCodes.$inferInsert)[],
): Promise<void> {
  await tx.insert(recoveryCodes).values(rows);
}

/** @returns the id of an unused code with one of these hashes */
export function findRecoveryCode(
  db: Db,
  tenantId: string,
  query: { staffId: string; codeHashes: string[] },
): Promise<string | undefined> {
  return inTenant(db, tenantId, async (tx) => {
    const [row] = await tx
      .select({ id: recoveryCodes.id })
      .from(recoveryCodes)
      .where(
        and(
          codesOf(tenantId, query.staffId),
          inArray(recoveryCodes.codeHash, query.codeHashes),
          isNull(recoveryCodes.usedAt),
        ),
      );
    return row?.id;
  });
}

/**
 * Consumes a recovery code in one statement.
 * @returns false if it was used already
 */
export async function spendRecoveryCode(
  tx: Tx,
  tenantId: string,
  query: { id: string; now: Date },
): Promise<boolean> {
  const rows = await tx
    .update(recoveryCodes)
    .set({ usedAt: query.now })
    .where(
      and(
        eq(recoveryCodes.tenantId, tenantId),
        eq(recoveryCodes.id, query.id),
        isNull(recoveryCodes.usedAt),
      ),
    )
    .returning({ id: recoveryCodes.id });
  return rows.length === 1;
}
