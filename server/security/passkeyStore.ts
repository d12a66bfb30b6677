import { and, asc, eq, gt, lt, or, sql } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { passkeyRegistrations, passkeys } from '../db/schema';

export type PasskeyRow = typeof passkeys.$inferSelect;
export type NewPasskeyRow = typeof passkeys.$inferInsert;
export type NewRegistrationRow = typeof passkeyRegistrations.$inferInsert;

const ofStaff = (tenantId: string, staffId: string) =>
  and(eq(passkeys.tenantId, tenantId), eq(passkeys.staffId, staffId));

/** The passkeys of a staff member, oldest first. */
export async function listPasskeys(
  db: Db | Tx,
  tenantId: string,
  staffId: string,
): Promise<PasskeyRow[]> {
  return db
    .select()
    .from(passkeys)
    .where(ofStaff(tenantId, staffId))
    .orderBy(asc(passkeys.createdAt), asc(passkeys.id));
}

/** Whether a staff member has one at all. */
export async function hasPasskeys(
  db: Db | Tx,
  tenantId: string,
  staffId: string,
): Promise<boolean> {
  const rows = await db
    .select({ id: passkeys.id })
    .from(passkeys)
    .where(ofStaff(tenantId, staffId))
    .limit(1);
  return rows.length === 1;
}

/** @returns the passkey with this id if it is this staff member's; nobody else's is found */
export async function findPasskey(
  db: Db | Tx,
  owner: { tenantId: string; staffId: string },
  credentialId: string,
): Promise<PasskeyRow | undefined> {
  const [row] = await db
    .select()
    .from(passkeys)
    .where(and(ofStaff(owner.tenantId, owner.staffId), eq(passkeys.credentialId, credentialId)));
  return row;
}

/** @returns false where some passkey, whoever's, has this credential id already */
export async function insertPasskey(tx: Tx, row: NewPasskeyRow): Promise<boolean> {
  const rows = await tx
    .insert(passkeys)
    .values(row)
    .onConflictDoNothing({ target: passkeys.credentialId })
    .returning({ id: passkeys.id });
  return rows.length === 1;
}

/**
 * Moves the counter on in one statement (WebAuthn Level 3 6.1.1): of two authenticators with the same key, one is behind.
 * @returns false where it did not grow; 0 after 0 is an authenticator that keeps none
 */
export async function movePasskeyCounter(
  tx: Tx,
  id: string,
  { counter, backedUp, now }: { counter: number; backedUp: boolean; now: Date },
): Promise<boolean> {
  const rows = await tx
    .update(passkeys)
    .set({ counter, backedUp, lastUsedAt: now })
    .where(
      and(
        eq(passkeys.id, id),
        or(lt(passkeys.counter, counter), and(eq(passkeys.counter, 0), sql`${counter} = 0`)),
      ),
    )
    .returning({ id: passkeys.id });
  return rows.length === 1;
}

/** The newest attempt of each staff member alone: an older one's challenge is worth nothing any more. */
export async function replaceRegistration(tx: Tx, row: NewRegistrationRow): Promise<void> {
  const { challenge, expiresAt } = row;
  await tx
    .insert(passkeyRegistrations)
    .values(row)
    .onConflictDoUpdate({ target: passkeyRegistrations.staffId, set: { challenge, expiresAt } });
}

/**
 * Takes the challenge of the open registration away in one statement, so that one response alone can use it.
 * @returns the challenge, base64url; undefined where none is open, or in time
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
