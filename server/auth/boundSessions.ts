import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import { endOldestSessions } from './sessionBoundStore';
import type { SessionBound } from './sessionBoundStore';

/**
 * Keeps a person's live sessions within the bound of their tenant's policy: the oldest ones end, and the next request of
 * each is refused. One event says how many ended; it names the session if it was one.
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
