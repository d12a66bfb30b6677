import { and, asc, eq, gt, lt, or, sql } from 'drizzle-orm';
import type { Db, Tx } from '../../db';
import { passkeyRegistrations, passkeys } from '../../db/schema';
import { inTenant } from '../../db/tenantScope';

export type PasskeyRow = typeof passkeys.$inferSelect;
export type NewPasskeyRow = typeof passkeys.$inferInsert;
export type NewRegistrationRow = typeof passkeyRegistrations.$inferInsert;

const ofStaff = (tenantId: string, staffId: string) =>
  and(eq(passkeys.tenantId, tenantId), eq(passkeys.staffId, staffId));

/** Lists the passkeys of a staff member, oldest first. */
export function listPasskeys(
  db: Db | Tx,
  tenantId: string,
  staffId: string,
): Promise<PasskeyRow[]> {
  return inTenant(db, tenantId, async (tx) => {
    return tx
      .select()
      .from(passkeys)
      .where(ofStaff(tenantId, staffId))
      .orderBy(asc(passkeys.createdAt), asc(passkeys.id));
  });
}

/** Returns whether a staff member has any passkey. */
export function hasPasskeys(db: Db | Tx, tenantId: string, staffId: string): Promise<boolean> {
  return inTenant(db, tenantId, async (tx) => {
    const rows = await tx
      .select({ id: passkeys.id })
      .from(passkeys)
      .where(ofStaff(tenantId, staffId))
      .limit(1);
    return rows.length === 1;
  });
}

/**
 * Deletes every passkey of a staff member.
 * @returns their ids
 */
export async function deletePasskeys(tx: Tx, tenantId: string, staffId: string): Promise<string[]> {
  const rows = await tx
    .delete(passkeys)
    .where(ofStaff(tenantId, staffId))
    .returning({ id: passkeys.id });
  return rows.map(({ id }) => id).sort();
}

/**
 * @returns the passkey with this credential id if it belongs to this staff member; otherwise
 * undefined
 */
export function findPasskey(
  db: Db | Tx,
  owner: { tenantId: string; staffId: string },
  credentialId: string,
): Promise<PasskeyRow | undefined> {
  return inTenant(db, owner.tenantId, async (tx) => {
    const [row] = await tx
      .select()
      .from(passkeys)
      .where(and(ofStaff(owner.tenantId, owner.staffId), eq(passkeys.credentialId, credentialId)));
    return row;
  });
}

/** @returns false if any passkey, of any person, already has this credential id */
export async function insertPasskey(tx: Tx, row: NewPasskeyRow): Promise<boolean> {
  const rows = await tx
    .insert(passkeys)
    .values(row)
    .onConflictDoNothing({ target: passkeys.credentialId })
    .returning({ id: passkeys.id });
  return rows.length === 1;
}

/**
 * The result of comparing a passkey's counter: it grew, it did not grow on a synced passkey, or it
 * shows a copy.
 */
export type CounterMove = 'grew' | 'stalled' | 'copied';

/**
 * Updates the counter in one statement (WebAuthn Level 3 6.1.1): of two authenticators with the
 * same key, one is behind. A passkey that may be backed up exists on several devices, each with its
 * own counter, so a counter that does not grow is only a signal. Rows from before `backup_eligible`
 * was stored count as bound to one device until they are seen backed up, or until a use whose
 * counter grew reports otherwise: a copy must not be able to change this.
 */
export async function movePasskeyCounter(
  tx: Tx,
  id: string,
  use: { counter: number; backedUp: boolean; backupEligible: boolean; now: Date },
): Promise<CounterMove> {
  const { counter, backedUp, backupEligible, now } = use;
  const grows = or(
    lt(passkeys.counter, counter),
    and(eq(passkeys.counter, 0), sql`${counter} = 0`),
  );
  const synced = sql`coalesce(${passkeys.backupEligible}, ${passkeys.backedUp})`;
  const set = { backedUp, lastUsedAt: now };
  const moved = await tx
    .update(passkeys)
    .set({
      ...set,
      counter,
      backupEligible: sql`coalesce(${passkeys.backupEligible}, ${backupEligible})`,
    })
    .where(and(eq(passkeys.id, id), grows))
    .returning({ id: passkeys.id });
  if (moved.length === 1) return 'grew';
  const stalled = await tx
    .update(passkeys)
    .set(set)
    .where(and(eq(passkeys.id, id), synced))
    .returning({ id: passkeys.id });
  return stalled.length === 1 ? 'stalled' : 'copied';
}

/**
 * Stores the newest registration of a staff member; the challenge of an older one is no longer
 * valid.
 */
export async function replaceRegistration(tx: Tx, row: NewRegistrationRow): Promise<void> {
  const { challenge, expiresAt } = row;
  await tx
    .insert(passkeyRegistrations)
    .values(row)
    .onConflictDoUpdate({ target: passkeyRegistrations.staffId, set: { challenge, expiresAt } });
}

/**
 * Deletes the open registration and returns its challenge, in one statement, so that only one
 * response can use it.
 * @returns the challenge, base64url; undefined if no registration is open or it has expired
 */
export async function takeRegistration(
  tx: Tx,
  owner: { tenantId: string; staffId: string },
  now: Date,
): Promise<string | undefined> {
  const [row] = await tx
    .delete(passkeyRegistrations)
    .where(
      and(
        eq(passkeyRegistrations.tenantId, owner.tenantId),
        eq(passkeyRegistrations.staffId, owner.staffId),
        gt(passkeyRegistrations.expiresAt, now),
      ),
    )
    .returning({ challenge: passkeyRegistrations.challenge });
  return row?.challenge;
}
