import { and, asc, desc, eq, gt, isNull, lte, ne, sql } from 'drizzle-orm';
import type { SQL } from 'drizzle-orm';
import { alias } from 'drizzle-orm/pg-core';
import type { Json } from '../../tlog/canonicalJson';
import type { Db, Tx } from '../db';
import { approvalRequests, tenantStaff, users } from '../db/schema';
import type { ApprovalDecision, ApprovalKind } from '../db/schema';
import { inTenant } from '../db/tenantScope';
import type { TimeCursor } from '../http/timeCursor';
import { holdsAll } from './administrationStore';

/** A change that waits, as it is stored in its row. */
export interface WaitingChange {
  /** The change, as the route that was called describes it. */
  wanted: Json;
  /** The result of the change when it was asked for: the approval is for exactly this. */
  effect: Json;
  /** The member, role or other thing that the change is about, as `kind:id`; null for a new one. */
  about: string | null;
  /** The permissions that somebody would hold in addition. */
  given: string[];
  /** The members who could approve it when it was asked for. Nobody else ever can. */
  approvers: string[];
}

export const APPROVAL_STATUSES = ['open', 'approved', 'refused', 'withdrawn', 'ended'] as const;
/** `ended`: nobody has decided, and nobody can any more. */
export type ApprovalStatus = (typeof APPROVAL_STATUSES)[number];

/** A request for an approval, with the people in it. */
export interface ApprovalRequest {
  id: string;
  kind: ApprovalKind;
  status: ApprovalStatus;
  change: WaitingChange;
  reason: string | null;
  ticket: string | null;
  staffId: string | null;
  staffEmail: string | null;
  requesterStaffId: string;
  requesterEmail: string | null;
  deciderStaffId: string | null;
  deciderEmail: string | null;
  createdAt: Date;
  expiresAt: Date;
  decidedAt: Date | null;
}

const { id, tenantId: tenantColumn, decidedAt, decision, expiresAt, createdAt } = approvalRequests;
const PAST = sql`${expiresAt} <= clock_timestamp()`;
const STATUS = sql<ApprovalStatus>`coalesce(${decision}::text, CASE WHEN ${PAST} THEN 'ended' ELSE 'open' END)`;

const [subject, requester, decider] = [
  alias(users, 'subject'),
  alias(users, 'requester'),
  alias(users, 'decider'),
];

const readRequests = (db: Db, tenantId: string, condition: SQL | undefined) =>
  db
    .select({
      id,
      kind: approvalRequests.kind,
      status: STATUS,
      change: sql<WaitingChange>`${approvalRequests.change}`,
      reason: approvalRequests.reason,
      ticket: approvalRequests.ticket,
      staffId: approvalRequests.staffId,
      staffEmail: subject.email,
      requesterStaffId: approvalRequests.requesterStaffId,
      requesterEmail: requester.email,
      deciderStaffId: approvalRequests.deciderStaffId,
      deciderEmail: decider.email,
      createdAt,
      expiresAt,
      decidedAt,
    })
    .from(approvalRequests)
    .leftJoin(subject, eq(subject.id, approvalRequests.userId))
    .leftJoin(requester, eq(requester.id, approvalRequests.requesterUserId))
    .leftJoin(decider, eq(decider.id, approvalRequests.deciderUserId))
    .where(and(eq(tenantColumn, tenantId), condition));

/** Reads one request of a tenant. */
export function readApproval(
  db: Db,
  tenantId: string,
  which: string,
): Promise<ApprovalRequest | undefined> {
  return inTenant(db, tenantId, async (tx) => {
    const [row] = await readRequests(tx, tenantId, eq(id, which));
    return row;
  });
}

const OPEN = and(isNull(decidedAt), gt(expiresAt, sql`clock_timestamp()`));

function inStatus(status: ApprovalStatus | undefined): SQL | undefined {
  if (status === undefined) return undefined;
  if (status === 'open') return OPEN;
  if (status === 'ended') return and(isNull(decidedAt), lte(expiresAt, sql`clock_timestamp()`));
  return eq(decision, status);
}

/** Lists requests of a tenant, newest first. */
export function listApprovalRows(
  db: Db,
  tenantId: string,
  query: { status?: ApprovalStatus | undefined; below?: TimeCursor | undefined; limit: number },
): Promise<ApprovalRequest[]> {
  return inTenant(db, tenantId, async (tx) => {
    const { status, below, limit } = query;
    const after =
      below &&
      sql`(${createdAt}, ${id}) < (${below.occurredAt.toISOString()}::timestamptz, ${below.id}::uuid)`;
    return readRequests(tx, tenantId, and(inStatus(status), after))
      .orderBy(desc(createdAt), desc(id))
      .limit(limit);
  });
}

/** Stores a request that can be decided for 7 days, by the database clock. */
export async function insertApproval(
  tx: Tx,
  tenantId: string,
  row: {
    id: string;
    kind: ApprovalKind;
    subject: { staffId: string; userId: string } | undefined;
    change: WaitingChange;
    reason: string | null;
    ticket: string | null;
    requester: { staffId: string; userId: string };
  },
): Promise<void> {
  await tx.insert(approvalRequests).values({
    tenantId,
    id: row.id,
    kind: row.kind,
    staffId: row.subject?.staffId ?? null,
    userId: row.subject?.userId ?? null,
    change: row.change,
    reason: row.reason,
    ticket: row.ticket,
    requesterStaffId: row.requester.staffId,
    requesterUserId: row.requester.userId,
    createdAt: sql`clock_timestamp()`,
    expiresAt: sql`clock_timestamp() + interval '7 days'`,
  });
}

/** Counts the open requests of a tenant. */
export const countOpenRequests = (tx: Tx, tenantId: string): Promise<number> =>
  tx.$count(approvalRequests, and(eq(tenantColumn, tenantId), OPEN));

const openOne = (tenantId: string, which: string) =>
  and(eq(tenantColumn, tenantId), eq(id, which), OPEN);

/**
 * Decides an open request, in one statement.
 * @returns the seconds since it was made; undefined if it was not open any more
 */
export async function decideRequest(
  tx: Tx,
  tenantId: string,
  query: {
    id: string;
    decision: ApprovalDecision;
    decider: { staffId: string; userId: string };
  },
): Promise<number | undefined> {
  const [row] = await tx
    .update(approvalRequests)
    .set({
      decision: query.decision,
      deciderStaffId: query.decider.staffId,
      deciderUserId: query.decider.userId,
      decidedAt: sql`clock_timestamp()`,
    })
    .where(openOne(tenantId, query.id))
    .returning({ seconds: sql<number>`extract(epoch FROM ${decidedAt} - ${createdAt})::float8` });
  return row?.seconds;
}

/**
 * Ends an open request without a decision of a member.
 * @returns false if it was not open any more
 */
export async function endRequest(tx: Tx, tenantId: string, which: string): Promise<boolean> {
  const rows = await tx
    .update(approvalRequests)
    .set({ expiresAt: sql`clock_timestamp()` })
    .where(openOne(tenantId, which))
    .returning({ id });
  return rows.length > 0;
}

/**
 * Lists the active members who hold all of these permissions, except one or two of them.
 * @returns their staff ids in order
 */
export function listHoldersOfAll(
  tx: Tx,
  tenantId: string,
  query: { permissions: readonly string[]; except: readonly string[] },
): Promise<string[]> {
  return inTenant(tx, tenantId, async (own) => {
    const rows = await own
      .select({ staffId: tenantStaff.id })
      .from(tenantStaff)
      .innerJoin(users, eq(users.id, tenantStaff.userId))
      .where(
        and(
          holdsAll(tenantId, query.permissions),
          ...query.except.map((one) => ne(tenantStaff.id, one)),
        ),
      )
      .orderBy(asc(tenantStaff.id));
    return rows.map(({ staffId }) => staffId);
  });
}
