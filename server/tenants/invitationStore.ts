import { and, count, desc, eq, gt, gte, isNotNull, isNull, lt, lte, or, sql } from 'drizzle-orm';
import type { SQL } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { invitations, tenantStaff, tenants, users } from '../db/schema';
import type { InvitationDelivery } from '../db/schema';
import { acrossTenants, inTenant } from '../db/tenantScope';

export type Invitation = typeof invitations.$inferSelect;
export const INVITATION_STATUSES = ['open', 'accepted', 'revoked', 'expired'] as const;
export type InvitationStatus = (typeof INVITATION_STATUSES)[number];

const { acceptedAt, revokedAt, expiresAt, createdAt } = invitations;
/** Neither accepted nor revoked; it may have expired. */
const PENDING = and(isNull(acceptedAt), isNull(revokedAt));
const NO_CODE = { codeHash: null, codeExpiresAt: null, codeTries: 0 };
const ofTenant = (tenantId: string) => eq(invitations.tenantId, tenantId);
const ofInvitation = (tenantId: string, id: string) =>
  and(ofTenant(tenantId), eq(invitations.id, id));

/** Returns the status of an invitation. One that was revoked after it expired is expired. */
export function statusOf(
  one: Pick<Invitation, 'acceptedAt' | 'revokedAt' | 'expiresAt'>,
  now: Date,
): InvitationStatus {
  if (one.acceptedAt) return 'accepted';
  if (one.revokedAt && one.revokedAt < one.expiresAt) return 'revoked';
  return one.revokedAt || one.expiresAt <= now ? 'expired' : 'open';
}

/** The same statuses as conditions. */
const STATUS: Readonly<Record<InvitationStatus, (now: Date) => SQL | undefined>> = {
  open: (now) => and(PENDING, gt(expiresAt, now)),
  accepted: () => isNotNull(acceptedAt),
  revoked: () => and(isNotNull(revokedAt), lt(revokedAt, expiresAt)),
  expired: (now) => or(and(PENDING, lte(expiresAt, now)), gte(revokedAt, expiresAt)),
};

export async function insertInvitation(
  tx: Tx,
  row: typeof invitations.$inferInsert,
): Promise<Invitation> {
  const [inserted] = await tx.insert(invitations).values(row).returning();
  if (!inserted) throw new Error('an invitation was not stored');
  return inserted;
}

/** Finds the invitation of an address that was neither accepted nor revoked, expired or not. */
export async function findPending(
  tx: Tx,
  tenantId: string,
  email: string,
): Promise<Invitation | undefined> {
  const which = and(ofTenant(tenantId), eq(invitations.email, email), PENDING);
  const [row] = await tx.select().from(invitations).where(which);
  return row;
}

export function findInvitation(
  db: Db | Tx,
  tenantId: string,
  id: string,
): Promise<Invitation | undefined> {
  return inTenant(db, tenantId, async (tx) => {
    const [row] = await tx.select().from(invitations).where(ofInvitation(tenantId, id));
    return row;
  });
}

/** Counts the open invitations of a tenant. */
export async function countOpen(tx: Tx, tenantId: string, now: Date): Promise<number> {
  const [row] = await tx
    .select({ number: count() })
    .from(invitations)
    .where(and(ofTenant(tenantId), STATUS.open(now)));
  return row?.number ?? 0;
}

/** An invitation with the tenant that it is for. */
export interface LinkedInvitation {
  invitation: Invitation;
  tenant: { slug: string; name: string; status: string };
}

/** Finds an invitation by the id in its link: the tag of the id has proven that we made the link. */
export function findByLink(db: Db, linkId: string): Promise<LinkedInvitation | undefined> {
  return acrossTenants(db, 'link', async (tx) => {
    const { slug, name, status } = tenants;
    const [row] = await tx
      .select({ invitation: invitations, tenant: { slug, name, status } })
      .from(invitations)
      .innerJoin(tenants, eq(tenants.id, invitations.tenantId))
      .where(eq(invitations.linkId, linkId));
    return row;
  });
}

/** An invitation for a list, with its inviter's address; null if an operator invited. */
export type ListedInvitation = Invitation & { inviterEmail: string | null };

/** Lists invitations, newest first. */
export function listInvitationRows(
  db: Db,
  tenantId: string,
  query: {
    id?: string | undefined;
    status?: InvitationStatus | undefined;
    below?: { occurredAt: Date; id: string } | undefined;
    limit: number;
    now: Date;
  },
): Promise<ListedInvitation[]> {
  return inTenant(db, tenantId, async (tx) => {
    const { id, status, below, limit, now } = query;
    const rows = await tx
      .select({ invitation: invitations, inviterEmail: users.email })
      .from(invitations)
      .leftJoin(users, eq(users.id, invitations.inviterUserId))
      .where(
        and(
          ofTenant(tenantId),
          id === undefined ? undefined : eq(invitations.id, id),
          status && STATUS[status](now),
          below &&
            sql`(${createdAt}, ${invitations.id}) < (${below.occurredAt.toISOString()}::timestamptz, ${below.id}::uuid)`,
        ),
      )
      .orderBy(desc(createdAt), desc(invitations.id))
      .limit(limit);
    return rows.map(({ invitation, inviterEmail }) => ({ ...invitation, inviterEmail }));
  });
}

/** Gives an invitation a new link, which ends the earlier one and its codes. */
export async function renewLink(
  tx: Tx,
  { tenantId, id }: Pick<Invitation, 'tenantId' | 'id'>,
  set: { linkId: string; delivery: InvitationDelivery; sentAt: Date; expiresAt: Date },
): Promise<Invitation> {
  const [row] = await tx
    .update(invitations)
    .set({ ...set, ...NO_CODE, codesSent: 0 })
    .where(ofInvitation(tenantId, id))
    .returning();
  if (!row) throw new Error('an invitation disappeared while it was being sent again');
  return row;
}

export async function markRevoked(
  tx: Tx,
  { tenantId, id }: Pick<Invitation, 'tenantId' | 'id'>,
  now: Date,
): Promise<void> {
  await tx
    .update(invitations)
    .set({ revokedAt: now, ...NO_CODE })
    .where(and(ofInvitation(tenantId, id), PENDING));
}

/**
 * Marks as revoked the invitations that a member has sent, or that were sent to their address, and
 * that nobody has accepted.
 * @returns their ids, with whether the member was their inviter
 */
export function markRevokedOf(
  tx: Tx,
  tenantId: string,
  staffId: string,
): Promise<{ id: string; ofInviter: boolean }[]> {
  return inTenant(tx, tenantId, async (own) => {
    const address = own
      .select({ email: users.email })
      .from(users)
      .innerJoin(tenantStaff, eq(tenantStaff.userId, users.id))
      .where(and(eq(tenantStaff.tenantId, tenantId), eq(tenantStaff.id, staffId)));
    const ofMember = or(eq(invitations.inviterStaffId, staffId), eq(invitations.email, address));
    return own
      .update(invitations)
      .set({ revokedAt: sql`clock_timestamp()`, ...NO_CODE })
      .where(and(ofTenant(tenantId), PENDING, ofMember))
      .returning({
        id: invitations.id,
        ofInviter: sql<boolean>`${invitations.inviterStaffId} IS NOT DISTINCT FROM ${staffId}::uuid`,
      });
  });
}

/**
 * Marks all invitations of a tenant as revoked that nobody has accepted.
 * @returns their ids
 */
export async function markAllRevoked(tx: Tx, tenantId: string): Promise<string[]> {
  const rows = await tx
    .update(invitations)
    .set({ revokedAt: sql`clock_timestamp()`, ...NO_CODE })
    .where(and(ofTenant(tenantId), PENDING))
    .returning({ id: invitations.id });
  return rows.map(({ id }) => id);
}

/**
 * Consumes an invitation in one statement, for a member who exists already.
 * @returns false if the link has ended, or somebody else has accepted it
 */
export async function consumeInvitation(
  tx: Tx,
  { tenantId, id, linkId }: Pick<Invitation, 'tenantId' | 'id' | 'linkId'>,
  by: { staffId: string; userId: string; now: Date },
): Promise<boolean> {
  const { staffId, userId, now } = by;
  const rows = await tx
    .update(invitations)
    .set({ acceptedAt: now, staffId, userId, ...NO_CODE })
    .where(and(ofInvitation(tenantId, id), eq(invitations.linkId, linkId), STATUS.open(now)))
    .returning({ id: invitations.id });
  return rows.length === 1;
}

/**
 * Stores the hash of a new code, which replaces the one before: only the newest is valid.
 * @param limits the most codes of a link, and the latest end of the code before
 * @returns false if the link has ended, the last code is too new, or too many codes were sent
 */
export async function keepCode(
  tx: Tx,
  { tenantId, id, linkId }: Pick<Invitation, 'tenantId' | 'id' | 'linkId'>,
  code: { hash: Buffer; expiresAt: Date; now: Date },
  limits: { most: number; endsBefore: Date },
): Promise<boolean> {
  const { codeExpiresAt, codesSent } = invitations;
  const rows = await tx
    .update(invitations)
    .set({
      codeHash: code.hash,
      codeExpiresAt: code.expiresAt,
      codeTries: 0,
      codesSent: sql`${codesSent} + 1`,
    })
    .where(
      and(
        ofInvitation(tenantId, id),
        eq(invitations.linkId, linkId),
        STATUS.open(code.now),
        lt(codesSent, limits.most),
        or(isNull(codeExpiresAt), lte(codeExpiresAt, limits.endsBefore)),
      ),
    )
    .returning({ id: invitations.id });
  return rows.length === 1;
}

/**
 * Takes one of the tries of the newest code, in one statement, before the code is compared.
 * @returns the hash to compare with, or undefined if there is no code, or none of its tries is left
 */
export function takeCodeTry(
  db: Db,
  { tenantId, id, linkId }: Pick<Invitation, 'tenantId' | 'id' | 'linkId'>,
  { most, now }: { most: number; now: Date },
): Promise<Buffer | undefined> {
  return inTenant(db, tenantId, async (tx) => {
    const { codeHash, codeExpiresAt, codeTries } = invitations;
    const [row] = await tx
      .update(invitations)
      .set({ codeTries: sql`${codeTries} + 1` })
      .where(
        and(
          ofInvitation(tenantId, id),
          eq(invitations.linkId, linkId),
          isNotNull(codeHash),
          gt(codeExpiresAt, now),
          lt(codeTries, most),
        ),
      )
      .returning({ codeHash });
    return row?.codeHash ?? undefined;
  });
}

/** Gives the tries of a code back to the person who knew it; their password may have been refused. */
export function resetCodeTries(
  db: Db,
  { tenantId, id }: Pick<Invitation, 'tenantId' | 'id'>,
  codeHash: Buffer,
): Promise<void> {
  return inTenant(db, tenantId, async (tx) => {
    await tx
      .update(invitations)
      .set({ codeTries: 0 })
      .where(and(ofInvitation(tenantId, id), eq(invitations.codeHash, codeHash)));
  });
}
