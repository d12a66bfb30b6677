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
 * What a use shows of a passkey: its counter grew, stood still although it is one that is synced between devices, or tells
 * of a copy.
 */
export type CounterMove = 'grew' | 'stalled' | 'copied';

/**
 * Moves the counter on in one statement (WebAuthn Level 3 6.1.1): of two authenticators with the same key, one is behind.
 * A passkey that may be backed up lives on several devices on purpose, each with a counter of its own: there it is a
 * signal. A row from before that was kept counts as bound to its device, until it is seen backed up, or says otherwise in
 * a use whose counter grew: a copy must not talk its way out.
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
