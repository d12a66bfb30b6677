import { and, count, eq, isNull, sql } from 'drizzle-orm';
import { pendingChange } from '../auth';
import type { Db, Tx } from '../db';
import { approvalRequests, emailChanges, tenantStaff, tenants } from '../db/schema';
import type { TenantStatus } from '../db/schema';
import { inTenant } from '../db/tenantScope';

export interface TenantState {
  slug: string;
  name: string;
  status: TenantStatus;
  needsApproval: boolean;
  createdAt: Date;
  suspendedAt: Date | null;
  deletedAt: Date | null;
}

const STATE = {
  slug: tenants.slug,
  name: tenants.name,
  status: tenants.status,
  needsApproval: tenants.needsApproval,
  createdAt: tenants.createdAt,
  suspendedAt: tenants.suspendedAt,
  deletedAt: tenants.deletedAt,
};

export async function readTenant(db: Db, tenantId: string): Promise<TenantState | undefined> {
  const [row] = await db.select(STATE).from(tenants).where(eq(tenants.id, tenantId));
  return row;
}

/**
 * Locks a tenant's row against other administrations. The lock does not conflict with foreign keys,
 * so members sign in meanwhile.
 */
export async function lockTenant(tx: Tx, tenantId: string): Promise<TenantState | undefined> {
  const [row] = await tx
    .select(STATE)
    .from(tenants)
    .where(eq(tenants.id, tenantId))
    .for('no key update');
  return row;
}

/** Counts a tenant's active and disabled members. */
export function countMembers(
  db: Db,
  tenantId: string,
): Promise<{ active: number; disabled: number }> {
  return inTenant(db, tenantId, async (tx) => {
    const rows = await tx
      .select({ status: tenantStaff.status, number: count() })
      .from(tenantStaff)
      .where(eq(tenantStaff.tenantId, tenantId))
      .groupBy(tenantStaff.status);
    const numberOf = (status: 'active' | 'disabled') =>
      rows.find((row) => row.status === status)?.number ?? 0;
    return { active: numberOf('active'), disabled: numberOf('disabled') };
  });
}

export async function updateName(tx: Tx, tenantId: string, name: string): Promise<void> {
  await tx.update(tenants).set({ name }).where(eq(tenants.id, tenantId));
}

/**
 * The database's clock, rounded down. The column would round it up, and an event of the same
 * millisecond would then appear to be older.
 */
const NOW = sql`date_trunc('milliseconds', clock_timestamp())`;

export async function markSuspended(tx: Tx, tenantId: string): Promise<void> {
  const suspended = { status: 'suspended', suspendedAt: NOW } as const;
  await tx.update(tenants).set(suspended).where(eq(tenants.id, tenantId));
}

export async function markRestored(tx: Tx, tenantId: string): Promise<void> {
  const restored = { status: 'active', suspendedAt: null } as const;
  await tx.update(tenants).set(restored).where(eq(tenants.id, tenantId));
}

export async function markDeleted(tx: Tx, tenantId: string): Promise<void> {
  const deleted = { status: 'deleted', deletedAt: NOW } as const;
  await tx.update(tenants).set(deleted).where(eq(tenants.id, tenantId));
}

/**
 * Matches the members whose access has not been ended since the tenant closed. The events that end
 * it are committed with it, so they say exactly who is left after a crash. The subquery does not
 * depend on the member, so it is read once.
 */
const unended = (tenantId: string, closedAt: Date) => sql`m.tenant_id = ${tenantId}
  AND m.status <> 'removed'
  AND 'staff:' || m.id NOT IN (SELECT a.subject FROM audit_logs a
    WHERE a.tenant_id = ${tenantId} AND a.action = 'SESSION_INVALIDATED' AND a.outcome = 'success'
      AND a.occurred_at >= ${closedAt.toISOString()}::timestamptz AND a.subject IS NOT NULL
      AND a.details ->> 'reason' IN ('tenant_suspended', 'tenant_deleted'))`;

/** Lists members whose access still has to end, in the order in which their rows are locked. */
export function listUnended(
  tx: Tx,
  tenantId: string,
  query: { closedAt: Date; after: string | undefined; limit: number },
): Promise<string[]> {
  return inTenant(tx, tenantId, async (own) => {
    const { closedAt, after = null, limit } = query;
    const { rows } = await own.execute<{ id: string }>(sql`SELECT m.id FROM tenant_staff m
    WHERE ${unended(tenantId, closedAt)} AND (${after}::uuid IS NULL OR m.id > ${after}::uuid)
    ORDER BY m.id LIMIT ${limit}`);
    return rows.map(({ id }) => id);
  });
}

/** Counts the members whose access still has to end. */
export function countUnended(db: Db, tenantId: string, closedAt: Date): Promise<number> {
  return inTenant(db, tenantId, async (tx) => {
    const { rows } = await tx.execute<{ number: number }>(
      sql`SELECT count(*)::int AS number FROM tenant_staff m WHERE ${unended(tenantId, closedAt)}`,
    );
    return rows[0]?.number ?? 0;
  });
}

/**
 * Ends the approval requests and changes of address of a tenant that are still open.
 * @returns how many of each there were
 */
export async function endOpenRequests(
  tx: Tx,
  tenantId: string,
): Promise<{ approvalRequests: number; emailChanges: number }> {
  // Only a member can decide a request, so it expires instead.
  const undecided = and(
    eq(approvalRequests.tenantId, tenantId),
    isNull(approvalRequests.decidedAt),
    sql`${approvalRequests.expiresAt} > ${NOW}`,
  );
  const expired = await tx
    .update(approvalRequests)
    .set({ expiresAt: NOW })
    .where(undecided)
    .returning({ id: approvalRequests.id });
  const dropped = await tx
    .update(emailChanges)
    .set({ endedAt: NOW })
    .where(and(eq(emailChanges.tenantId, tenantId), pendingChange))
    .returning({ id: emailChanges.id });
  return { approvalRequests: expired.length, emailChanges: dropped.length };
}
