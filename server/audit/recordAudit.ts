import type { z } from 'zod';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import type { AuditOutcome } from '../db/schema';
import { AUDIT_ACTIONS } from './actions';
import type { AuditAction } from './actions';
import { insertAuditRows } from './auditEventStore';
import type { AuditRow } from './auditEventStore';

export type AuditEvent = {
  [Action in AuditAction]: {
    action: Action;
    outcome: AuditOutcome;
    /** The object of the action, as `kind:id`. */
    subject?: string | null;
    /** The tenant, actor and session, if the context does not have them yet. */
    tenantId?: string | null;
    actor?: string;
    sessionId?: string | null;
    /** The staff id of the member as whom the actor acts, if the context does not have it. */
    onBehalfOf?: string | null;
    details: z.infer<(typeof AUDIT_ACTIONS)[Action]>;
  };
}[AuditAction];

/**
 * Checks an event against the catalogue of actions and joins it with the request's context.
 * @throws ZodError if the details hold a field that the catalogue does not name
 */
export function toAuditRow(ctx: RequestContext, event: AuditEvent): AuditRow {
  const details = AUDIT_ACTIONS[event.action].parse(event.details);
  return {
    tenant_id: event.tenantId === undefined ? ctx.tenantId : event.tenantId,
    action: event.action,
    outcome: event.outcome,
    actor: event.actor ?? ctx.actor,
    subject: event.subject ?? null,
    on_behalf_of: event.onBehalfOf ?? ctx.onBehalfOf?.staffId ?? null,
    session_id: event.sessionId === undefined ? ctx.sessionId : event.sessionId,
    ip: ctx.ip,
    country: ctx.country,
    user_agent: ctx.userAgent,
    correlation_id: ctx.correlationId,
    // Added to every action's own details. `correlationIdFrom` marks an id that the client chose, since a client can
    // link unrelated events by it. `ticket` is the operator's reason. `apiKeyId` is the key
    // that the actor's program used, `impersonationId` the impersonation in which the actor acted.
    details: {
      ...details,
      ...(ctx.correlationIdFrom && { correlationIdFrom: ctx.correlationIdFrom }),
      ...(ctx.ticket !== undefined && { ticket: ctx.ticket }),
      ...(ctx.apiKeyId !== undefined && { apiKeyId: ctx.apiKeyId }),
      ...(ctx.onBehalfOf && { impersonationId: ctx.onBehalfOf.impersonationId }),
    },
  };
}

/**
 * Writes one event in the caller's transaction: the event exists exactly if the recorded action does. The database
 * sets the time, so that all nodes share one clock.
 * @throws any error of the database: an action that cannot be recorded must not happen
 */
export async function recordAudit(tx: Tx, ctx: RequestContext, event: AuditEvent): Promise<void> {
  await insertAuditRows(tx, [toAuditRow(ctx, event)]);
}

/** Does what {@link recordAudit} does for many events, in few statements. */
export async function recordAudits(
  tx: Tx,
  ctx: RequestContext,
  events: readonly AuditEvent[],
): Promise<void> {
  const rows = events.map((event) => toAuditRow(ctx, event));
  await insertAuditRows(tx, rows);
}
