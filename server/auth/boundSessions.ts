import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import { endOldestSessions } from './sessionBoundStore';
import type { SessionBound } from './sessionBoundStore';

/**
 * Ends the oldest live sessions of a person beyond the limit in their tenant's policy. The next
 * request of each ended session is refused. One audit event gives the number of ended sessions, and
 * the session's id if only one ended.
 */
export async function boundSessions(
  tx: Tx,
  ctx: RequestContext,
  tenantId: string,
  bound: SessionBound,
): Promise<void> {
  const { sessionIds, tokensRevoked } = await endOldestSessions(tx, tenantId, bound);
  const [only] = sessionIds;
  if (only === undefined) return;
  await recordAudit(tx, ctx, {
    action: 'SESSION_INVALIDATED',
    outcome: 'success',
    tenantId,
    actor: 'system',
    subject: sessionIds.length === 1 ? `session:${only}` : `staff:${bound.staffId}`,
    details: { reason: 'session_limit', sessionsRevoked: sessionIds.length, tokensRevoked },
  });
}
