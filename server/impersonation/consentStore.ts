import { and, eq, gt, isNull } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { impersonationConsents } from '../db/schema';
import { inTenant } from '../db/tenantScope';

/** A consent in force. */
export interface GivenConsent {
  givenAt: Date;
  expiresAt: Date;
}

const inForce = (tenantId: string, staffId: string, now: Date) =>
  and(
    eq(impersonationConsents.tenantId, tenantId),
    eq(impersonationConsents.staffId, staffId),
    isNull(impersonationConsents.withdrawnAt),
    gt(impersonationConsents.expiresAt, now),
  );

/** Reads the consent of a member that is in force; undefined if there is none. */
export function findConsent(
  db: Db | Tx,
  tenantId: string,
  { staffId, now }: { staffId: string; now: Date },
): Promise<GivenConsent | undefined> {
  return inTenant(db, tenantId, async (tx) => {
    const [row] = await tx
      .select({
        givenAt: impersonationConsents.givenAt,
        expiresAt: impersonationConsents.expiresAt,
      })
      .from(impersonationConsents)
      .where(inForce(tenantId, staffId, now));
    return row;
  });
}

/** Writes the consent of a member, in the place of one before. */
export function writeConsent(
  tx: Tx,
  tenantId: string,
  consent: { staffId: string; userId: string } & GivenConsent,
): Promise<void> {
  return inTenant(tx, tenantId, async (own) => {
    const { staffId, userId, givenAt, expiresAt } = consent;
    const row = { givenAt, expiresAt, withdrawnAt: null };
    await own
      .insert(impersonationConsents)
      .values({ tenantId, staffId, userId, ...row })
      .onConflictDoUpdate({
        target: [impersonationConsents.tenantId, impersonationConsents.staffId],
        set: row,
      });
  });
}

/** Withdraws the consent of a member. @returns it; undefined if none was in force */
export function withdrawConsent(
  tx: Tx,
  tenantId: string,
  { staffId, now }: { staffId: string; now: Date },
): Promise<GivenConsent | undefined> {
  return inTenant(tx, tenantId, async (own) => {
    const [row] = await own
      .update(impersonationConsents)
      .set({ withdrawnAt: now })
      .where(inForce(tenantId, staffId, now))
      .returning({
        givenAt: impersonationConsents.givenAt,
        expiresAt: impersonationConsents.expiresAt,
      });
    return row;
  });
}
