import { recordAudit } from '../audit';
import type { EndReason } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import { SECOND_MS } from '../durations';
import { queueImpersonationMail } from '../mail';
import { readActs } from './actStore';
import type { CountedRoute } from './actStore';
import type { ImpersonationDeps } from './deps';
import { markEnded } from './runningStore';
import type { Impersonated } from './runningStore';

/**
 * Returns a context that names both people of an impersonation, with its own ticket: the request that
 * ends one may have the ticket of the next.
 */
export const contextOfBoth = (
  { ticket: _ofRequest, ...ctx }: RequestContext,
  row: Impersonated,
): RequestContext => ({
  ...ctx,
  tenantId: row.tenantId,
  actor: row.actorStaffId,
  onBehalfOf: { staffId: row.staffId, impersonationId: row.id },
  sessionId: row.actorSessionId,
  ...(row.ticket === null ? {} : { ticket: row.ticket }),
});

/** Leaves out the place of a request that somebody else than the actor has sent. */
const withoutPlace = ({ ipOfProxy: _ip, ...ctx }: RequestContext): RequestContext => ({
  ...ctx,
  ...{ ip: null, country: null, userAgent: null },
});

/** The details that both the beginning and the end of an impersonation have. */
export const termsOf = ({ reason, scope, consent, consentGivenAt }: Impersonated) => ({
  reason,
  scope,
  consent,
  ...(consentGivenAt === null ? {} : { consentGivenAt: consentGivenAt.toISOString() }),
});

/** An impersonation that has just ended, with what was done in it. */
export interface EndedImpersonation {
  row: Impersonated & { endedAt: Date };
  opened: CountedRoute[];
  refused: CountedRoute[];
}

/**
 * Ends an impersonation, records it, and mails the subject what was opened, once. Every way to end one goes through here.
 * @param how the reason, and who ended it if it was not the actor
 * @returns undefined if it had ended
 */
export async function endImpersonation(
  deps: Pick<ImpersonationDeps, 'clock' | 'random' | 'keys' | 'mail' | 'logger' | 'metrics'>,
  tx: Tx,
  ctx: RequestContext,
  { tenantId, id }: { tenantId: string; id: string },
  how: { end: EndReason; by?: string },
): Promise<EndedImpersonation | undefined> {
  const now = deps.clock.now();
  const row = await markEnded(tx, tenantId, { id, reason: how.end, now });
  if (!row?.endedAt) return undefined;
  const { endedAt } = row;
  const acts = await readActs(tx, tenantId, id);
  const theirs = how.by === undefined ? ctx : withoutPlace(ctx);
  await recordAudit(tx, contextOfBoth(theirs, row), {
    action: 'IMPERSONATION_ENDED',
    outcome: 'success',
    subject: `impersonation:${id}`,
    details: {
      ...termsOf(row),
      ...how,
      ...(how.by !== undefined && ctx.ticket !== undefined ? { byTicket: ctx.ticket } : {}),
      startedAt: row.startedAt.toISOString(),
      seconds: (endedAt.getTime() - row.startedAt.getTime()) / SECOND_MS,
      ...acts,
    },
  });
  await queueImpersonationMail(deps, tx, row, {
    ...row,
    ended: {
      ...{ at: endedAt, why: how.end, opened: acts.opened },
      refused: acts.refused.reduce((sum, { times }) => sum + times, 0),
    },
  });
  return { row: { ...row, endedAt }, ...acts };
}
