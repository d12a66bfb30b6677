import { AUDIT_ACTIONS, listEvents } from '../audit';
import type { AuditAction, PlacedEvent } from '../audit';
import { nameDevice } from '../auth';
import { isOfOperators } from '../context';
import type { Principal } from '../context';
import type { ProfileDeps } from './deps';
import { fromCursor, toCursor } from '../http/timeCursor';

export const ALL_ACTIONS = Object.keys(AUDIT_ACTIONS) as [AuditAction, ...AuditAction[]];

/** The actor: the person, another member of the tenant, operators, or nobody who had signed in. */
type By = 'you' | 'member' | 'operator' | 'anonymous';

function actorAs(staffId: string, actor: string): By {
  if (actor === staffId) return 'you';
  if (isOfOperators(actor)) return 'operator';
  return actor === 'anonymous' ? 'anonymous' : 'member';
}

/** An event as the person whom it is about sees it. */
export type OwnEvent = ReturnType<typeof showOwnEvent>;

/**
 * Shows an event to the person whom it is about. It never says which other member or operator
 * acted, nor from which place. The details of an event belong to the actor, since they may name
 * others.
 */
function showOwnEvent(staffId: string, row: PlacedEvent) {
  const by = actorAs(staffId, row.actor);
  const own = by === 'you';
  // Nobody had signed in: somebody tried to, or used a link in a mail. The person may see from where.
  const placed = own || by === 'anonymous';
  return {
    id: row.id,
    occurredAt: row.occurred_at,
    action: row.action,
    outcome: row.outcome,
    by,
    subject: own || row.subject === `staff:${staffId}` ? row.subject : null,
    sessionId: own ? row.session_id : null,
    ip: placed ? row.ip : null,
    country: placed ? row.country : null,
    device: placed ? nameDevice(row.user_agent) : null,
    details: own ? row.details : null,
  };
}

export interface OwnEventsPage {
  events: OwnEvent[];
  /** The cursor of the next page; null on the last page. A short page need not be the last. */
  nextCursor: string | null;
}

/**
 * Lists the events of the caller's tenant in which they are the actor or the subject, newest first.
 * @throws AppError INVALID_INPUT for a cursor that the server did not issue
 */
export async function listOwnEvents(
  deps: Pick<ProfileDeps, 'pool'>,
  { tenantId, staffId }: Pick<Principal, 'tenantId' | 'staffId'>,
  query: { actions?: string[] | undefined; cursor?: string | undefined; limit: number },
): Promise<OwnEventsPage> {
  const { actions, cursor, limit } = query;
  const { events, next } = await listEvents(deps.pool, tenantId, {
    filter: { person: staffId, actions },
    below: cursor === undefined ? undefined : fromCursor(cursor),
    limit,
    allActions: ALL_ACTIONS,
  });
  return {
    events: events.map((row) => showOwnEvent(staffId, row)),
    nextCursor: next ? toCursor(next) : null,
  };
}
