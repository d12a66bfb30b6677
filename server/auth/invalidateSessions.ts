import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import { AppError } from '../errors';
import { endProofs } from '../security';
import { revokeAllTokens } from './rotationStore';
import { bumpSessionVersion, revokeAllSessions } from './sessionStore';
import type { Invalidation } from './sessionStore';
import type { SessionMode } from './withSessionTable';

type AllSessionsReason = 'logout' | 'manual' | 'force_logout' | 'reuse_detected' | 'security_event';

/** A reason for the audit log alone, more precise than the one that the ended rows get. */
type AuditedReason = AllSessionsReason | 'tenant_suspended' | 'tenant_deleted';

/**
 * Ends every session of a staff member. It raises the version, which refuses each access token at
 * its next use, and marks live sessions and refresh tokens with the reason; rows that had ended
 * stay unchanged. Pending or verified login and step-up challenges end too. Every path locks staff
 * first, then challenges, sessions and tokens.
 * @throws AppError NOT_FOUND if the tenant has no such staff member
 */
export async function invalidateSessions(
  tx: Tx,
  ctx: RequestContext,
  mode: SessionMode,
  tenantId: string,
  what: Invalidation & { reason: AllSessionsReason; audited?: AuditedReason },
): Promise<void> {
  const sessionVersion = await bumpSessionVersion(tx, tenantId, what.staffId);
  if (sessionVersion === undefined) throw new AppError('NOT_FOUND');
  await endProofs(tx, tenantId, what);
  const endedVersion = sessionVersion - 1;
  const sessionsRevoked =
    mode === 'normal' ? await revokeAllSessions(tx, tenantId, what, endedVersion) : 0;
  const tokensRevoked = await revokeAllTokens(tx, tenantId, what);
  await recordAudit(tx, ctx, {
    action: 'SESSION_INVALIDATED',
    outcome: 'success',
    tenantId,
    subject: `staff:${what.staffId}`,
    details: {
      reason: what.audited ?? what.reason,
      sessionVersion,
      sessionsRevoked,
      tokensRevoked,
      ...(mode === 'degraded' ? { degraded: true } : {}),
    },
  });
}
