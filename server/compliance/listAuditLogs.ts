import { AUDIT_ACTIONS, findEventInTree, listEvents } from '../audit';
import type { AuditAction, AuditFilter, EventInTree, PlacedEvent } from '../audit';
import type { Principal } from '../context';
import { assertRowId } from '../db/ids';
import type { ComplianceDeps } from './deps';
import { AppError } from '../errors';
import { fromCursor, toCursor } from '../http/timeCursor';

export const ALL_ACTIONS = Object.keys(AUDIT_ACTIONS) as [AuditAction, ...AuditAction[]];

/** An event as the API returns it. */
export type ShownEvent = ReturnType<typeof showEvent>;

export interface ShownPage {
  events: ShownEvent[];
  /** The cursor of the next page; null on the last page. A page that is short or empty need not be the last. */
  nextCursor: string | null;
}

const showEvent = (row: PlacedEvent) => ({
  id: row.id,
  tenantId: row.tenant_id,
  occurredAt: row.occurred_at,
  action: row.action,
  outcome: row.outcome,
  actor: row.actor,
  subject: row.subject,
  onBehalfOf: row.on_behalf_of,
  sessionId: row.session_id,
  ip: row.ip,
  country: row.country,
  userAgent: row.user_agent,
  correlationId: row.correlation_id,
  details: row.details,
  /** Null until the event is sealed, which takes about a second. */
  leafIndex: row.leaf_index === null ? null : Number(row.leaf_index),
  sealedAt: row.sealed_at,
});

/**
 * Lists the audit events of the caller's tenant, newest first.
 * @throws AppError INVALID_INPUT if the cursor was not issued by this API
 */
export async function listAuditLogs(
  deps: Pick<ComplianceDeps, 'pool'>,
  { tenantId }: Principal,
  query: { filter: AuditFilter; cursor?: string | undefined; limit: number },
): Promise<ShownPage> {
  const { filter, cursor, limit } = query;
  const below = cursor === undefined ? undefined : fromCursor(cursor);
  const asked = { filter, below, limit, allActions: ALL_ACTIONS };
  const { events, next } = await listEvents(deps.pool, tenantId, asked);
  return { events: events.map(showEvent), nextCursor: next ? toCursor(next) : null };
}

/**
 * Finds an event of the caller's tenant with its place in the log.
 * @throws AppError NOT_FOUND, also for an event of another tenant and for text that is no id
 */
export async function findAuditEvent(
  { pool }: Pick<ComplianceDeps, 'pool'>,
  { tenantId }: Principal,
  id: string,
  size?: number,
): Promise<EventInTree> {
  assertRowId(id);
  const event = await findEventInTree(pool, tenantId, id, size);
  if (!event) throw new AppError('NOT_FOUND');
  return event;
}

/**
 * Returns one audit event of the caller's tenant.
 * @throws AppError NOT_FOUND, also for an event of another tenant
 */
export async function showAuditEvent(
  deps: Pick<ComplianceDeps, 'pool'>,
  principal: Principal,
  id: string,
): Promise<ShownEvent> {
  return showEvent(await findAuditEvent(deps, principal, id));
}
