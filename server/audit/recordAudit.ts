import type { z } from 'zod';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import type { AuditOutcome } from '../db/schema';
import { AUDIT_ACTIONS } from './actions';
import type { AuditAction } from './actions';
import { insertAuditRow } from './store';
import type { AuditRow } from './store';

export type AuditEvent = {
  [Action in AuditAction]: {
    action: Action;
    outcome: AuditOutcome;
    /** What it was done to, as `kind:id`. */
    subject?: string | null;
    /** Where the context does not know it yet: whose tenant, who acts, in which session. */
    tenantId?: string | null;
    actor?: string;
    sessionId?: string | null;
    details: z.infer<(typeof AUDIT_ACTIONS)[Action]>;
  };
}[AuditAction];

/**
 * Checks an event against the catalogue and joins it with the request's context.
 * @throws ZodError where the details hold a field that the catalogue does not name
 */
export function toAuditRow(ctx: RequestContext, event: AuditEvent): AuditRow {
  const details = AUDIT_ACTIONS[event.action].parse(event.details);
  return {
    tenant_id: event.tenantId === undefined ? ctx.tenantId : event.tenantId,
    action: event.action,
    outcome: event.outcome,
    actor: event.actor ?? ctx.actor,
    subject: event.subject ?? null,
    on_behalf_of: null,
    session_id: event.sessionId === undefined ? ctx.sessionId : event.sessionId,
    ip: ctx.ip,
    country: ctx.country,
    user_agent: ctx.userAgent,
    correlation_id: ctx.correlationId,
    // Beside every action's own details: whoever chose the id could join this event with others; and the operator's why.
    details: {
      ...details,
      ...(ctx.correlationIdFrom && { correlationIdFrom: ctx.correlationIdFrom }),
      ...(ctx.ticket !== undefined && { ticket: ctx.ticket }),
    },
  };
}

/**
 * Writes one event in the caller's transaction: it exists exactly if what it records does. The time is
 * the database's, so that all nodes share one clock.
 * @throws whatever the database throws: an action that cannot be recorded must not happen
 */
export async function recordAudit(tx: Tx, ctx: RequestContext, event: AuditEvent): Promise<void> {
  await insertAuditRow(tx, toAuditRow(ctx, event));
}
