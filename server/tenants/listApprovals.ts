import type { Db } from '../db';
import { assertRowId } from '../db/ids';
import { AppError } from '../errors';
import { cutPage, fromCursor, toCursor } from '../http/timeCursor';
import { listApprovalRows, readApproval } from './approvalStore';
import type { ApprovalRequest, ApprovalStatus } from './approvalStore';

/** A request for an approval as the API returns it. */
export type ShownApproval = ReturnType<typeof showApproval>;

const person = (staffId: string | null, email: string | null) =>
  staffId === null ? null : { staffId, email };

/** Returns a request in the form of the API. */
export const showApproval = (request: ApprovalRequest) => ({
  id: request.id,
  kind: request.kind,
  status: request.status,
  /** The change that was asked for, and its result at that time. */
  change: request.change.wanted,
  effect: request.change.effect,
  given: request.change.given,
  /** The staff ids of those who could approve it when it was asked for. */
  approvers: request.change.approvers,
  reason: request.reason,
  ticket: request.ticket,
  subject: person(request.staffId, request.staffEmail),
  requestedBy: person(request.requesterStaffId, request.requesterEmail),
  decidedBy: person(request.deciderStaffId, request.deciderEmail),
  createdAt: request.createdAt,
  expiresAt: request.expiresAt,
  decidedAt: request.decidedAt,
});

/**
 * Lists a tenant's requests for an approval, newest first.
 * @throws AppError INVALID_INPUT if the cursor was not issued by this API
 */
export async function listApprovals(
  db: Db,
  tenantId: string,
  query: { status?: ApprovalStatus | undefined; cursor?: string | undefined; limit: number },
): Promise<{ approvals: ShownApproval[]; nextCursor: string | null }> {
  const { status, cursor, limit } = query;
  const below = cursor === undefined ? undefined : fromCursor(cursor);
  const rows = await listApprovalRows(db, tenantId, { status, below, limit: limit + 1 });
  const { shown, nextCursor } = cutPage(rows, limit, ({ createdAt: occurredAt, id }) =>
    toCursor({ occurredAt, id }),
  );
  return { approvals: shown.map(showApproval), nextCursor };
}

/**
 * Returns one request for an approval.
 * @throws AppError NOT_FOUND, also for a request of another tenant
 */
export async function findApproval(db: Db, tenantId: string, id: string): Promise<ShownApproval> {
  assertRowId(id);
  const found = await readApproval(db, tenantId, id);
  if (!found) throw new AppError('NOT_FOUND');
  return showApproval(found);
}
