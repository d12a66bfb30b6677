import { assertRowId } from '../db/ids';
import type { TenantDeps } from './deps';
import { AppError } from '../errors';
import { cutPage, fromCursor, toCursor } from '../http/timeCursor';
import { listInvitationRows, statusOf } from './invitationStore';
import type { InvitationStatus, ListedInvitation } from './invitationStore';

/** An invitation for display; never its link. */
export type ShownInvitation = ReturnType<typeof showInvitation>;

export interface InvitationPage {
  invitations: ShownInvitation[];
  /** The cursor of the next page; null on the last page. */
  nextCursor: string | null;
}

/** Returns an invitation for display. */
export function showInvitation(row: ListedInvitation, now: Date) {
  const { id, email, roles, permissions, delivery, createdAt, sentAt, expiresAt } = row;
  const { acceptedAt, revokedAt, staffId, inviterStaffId, inviterEmail, membershipEndsAt } = row;
  const status = statusOf(row, now);
  return {
    ...{ id, email, roles, permissions, delivery, status },
    /** Null if an operator invited. */
    invitedBy: inviterStaffId === null ? null : { staffId: inviterStaffId, email: inviterEmail },
    ...{ createdAt, sentAt, expiresAt, acceptedAt, membershipEndsAt },
    revokedAt: status === 'revoked' ? revokedAt : null,
    /** The member who accepted it. */
    staffId,
    ticket: row.ticket,
  };
}

/**
 * Lists the invitations of a tenant, newest first.
 * @throws AppError INVALID_INPUT for a cursor that the server did not issue
 */
export async function listInvitations(
  deps: Pick<TenantDeps, 'db' | 'clock'>,
  tenantId: string,
  query: {
    status?: InvitationStatus | undefined;
    cursor?: string | undefined;
    limit: number;
  },
): Promise<InvitationPage> {
  const { status, cursor, limit } = query;
  const below = cursor === undefined ? undefined : fromCursor(cursor);
  const now = deps.clock.now();
  const asked = { status, below, limit: limit + 1, now };
  const rows = await listInvitationRows(deps.db, tenantId, asked);
  const { shown, nextCursor } = cutPage(rows, limit, ({ createdAt: occurredAt, id }) =>
    toCursor({ occurredAt, id }),
  );
  return { invitations: shown.map((row) => showInvitation(row, now)), nextCursor };
}

/** @throws AppError NOT_FOUND, also for an invitation of another tenant */
export async function showInvitationOf(
  deps: Pick<TenantDeps, 'db' | 'clock'>,
  tenantId: string,
  id: string,
): Promise<ShownInvitation> {
  assertRowId(id);
  const now = deps.clock.now();
  const [row] = await listInvitationRows(deps.db, tenantId, { id, limit: 1, now });
  if (!row) throw new AppError('NOT_FOUND');
  return showInvitation(row, now);
}
