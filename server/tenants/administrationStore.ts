import { and, asc, count, eq, inArray, isNull, sql } from 'drizzle-orm';
import { LIVE_KEY } from '../apiKeys';
import type { Db, Tx } from '../db';
import { MAY_SIGN_IN, NOT_ENDED } from '../db/maySignIn';
import { apiKeys, tenantStaff, tenants, users } from '../db/schema';
import { inTenant } from '../db/tenantScope';
import { FINITE_END } from './tenantStore';

/** Locks members' rows in the order of their ids, in which every path locks them. */
export function lockMembers(tx: Tx, tenantId: string, staffIds: readonly string[]): Promise<void> {
  return inTenant(tx, tenantId, async (own) => {
    await own
      .select({ id: tenantStaff.id })
      .from(tenantStaff)
      .where(and(eq(tenantStaff.tenantId, tenantId), inArray(tenantStaff.id, [...staffIds])))
      .orderBy(asc(tenantStaff.id))
      .for('no key update');
  });
}

/** Reads the permissions of members, in the order of their ids. */
export function readPermissions(
  tx: Tx,
  tenantId: string,
  staffIds: readonly string[],
): Promise<{ staffId: string; permissions: string[] }[]> {
  return inTenant(tx, tenantId, async (own) => {
    return own
      .select({ staffId: tenantStaff.id, permissions: tenantStaff.permissions })
      .from(tenantStaff)
      .where(and(eq(tenantStaff.tenantId, tenantId), inArray(tenantStaff.id, [...staffIds])))
      .orderBy(asc(tenantStaff.id));
  });
}

/** A member, and whether they may sign in, as of now. */
export interface Actor {
  userId: string;
  permissions: string[];
  /** Null if their membership has no end. */
  endsAt: Date | null;
  active: boolean;
}

export function readActor(tx: Tx, tenantId: string, staffId: string): Promise<Actor | undefined> {
  return inTenant(tx, tenantId, async (own) => {
    const [row] = await own
      .select({
        userId: tenantStaff.userId,
        permissions: tenantStaff.permissions,
        endsAt: FINITE_END,
        active: MAY_SIGN_IN,
      })
      .from(tenantStaff)
      .innerJoin(users, eq(users.id, tenantStaff.userId))
      .innerJoin(tenants, eq(tenants.id, tenantStaff.tenantId))
      .where(and(eq(tenantStaff.tenantId, tenantId), eq(tenantStaff.id, staffId)));
    return row;
  });
}

/** Reads the permissions of a member's API key; undefined if there is no such live key. */
export function readKeyPermissions(
  tx: Tx,
  tenantId: string,
  { staffId, apiKeyId }: { staffId: string; apiKeyId: string },
): Promise<string[] | undefined> {
  return inTenant(tx, tenantId, async (own) => {
    const [key] = await own
      .select({ permissions: apiKeys.permissions })
      .from(apiKeys)
      .where(
        and(
          eq(apiKeys.tenantId, tenantId),
          eq(apiKeys.staffId, staffId),
          eq(apiKeys.id, apiKeyId),
          LIVE_KEY,
        ),
      );
    return key?.permissions;
  });
}

/**
 * Matches the active members who hold all of these permissions; `users` must be joined. The tenant's
 * own status does not count: a suspended tenant keeps its administrators.
 */
export const holdsAll = (tenantId: string, permissions: readonly string[]) =>
  and(
    eq(tenantStaff.tenantId, tenantId),
    eq(tenantStaff.status, 'active'),
    NOT_ENDED,
    eq(users.status, 'active'),
    sql`${tenantStaff.permissions} @> ${sql.param([...permissions])}::text[]`,
  );

/**
 * Counts the active members who hold all of these permissions, and whose membership has no end: a
 * tenant must not depend on somebody who leaves by themselves.
 */
export function countAdministrators(
  tx: Tx,
  tenantId: string,
  permissions: readonly string[],
): Promise<number> {
  return inTenant(tx, tenantId, async (own) => {
    const [row] = await own
      .select({ number: count() })
      .from(tenantStaff)
      .innerJoin(users, eq(users.id, tenantStaff.userId))
      .where(and(holdsAll(tenantId, permissions), isNull(tenantStaff.endsAt)));
    return row?.number ?? 0;
  });
}

/** Writes whether privileged permissions need a second administrator. */
export async function updateNeedsApproval(
  tx: Tx,
  tenantId: string,
  needsApproval: boolean,
): Promise<void> {
  await tx.update(tenants).set({ needsApproval }).where(eq(tenants.id, tenantId));
}

/** Reads whether privileged permissions need a second administrator. */
export async function readNeedsApproval(db: Db, tenantId: string): Promise<boolean> {
  const [row] = await db
    .select({ needsApproval: tenants.needsApproval })
    .from(tenants)
    .where(eq(tenants.id, tenantId));
  return row?.needsApproval ?? false;
}
