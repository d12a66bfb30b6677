import { endKeysOfForcedEnd } from '../apiKeys';
import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import { AppError } from '../errors';
import { endProofs } from '../security';
import { invalidToken } from './accessTokens';
import { moveSession, moveTokens } from './keptSessionStore';
import { endEmailChangesOf } from './pendingEmailStore';
import { revokeAllTokens } from './refreshTokenStore';
import { bumpSessionVersion, revokeAllSessions } from './sessionStore';
import type { Invalidation } from './sessionStore';
import type { SessionMode } from './withSessionTable';

type AllSessionsReason = 'logout' | 'manual' | 'force_logout' | 'reuse_detected' | 'security_event';

/** After these, the API keys end whose secret was issued in a session that ended by force. */
const FORCED: readonly AllSessionsReason[] = ['force_logout', 'reuse_detected', 'security_event'];

/** A reason for the audit log alone, more precise than the one that the ended rows get. */
type AuditedReason = AllSessionsReason | 'tenant_suspended' | 'tenant_deleted';

/**
 * Ends every session of a staff member. It raises the version, which refuses each access token at
 * its next use, and marks live sessions and refresh tokens with the reason; rows that had ended
 * stay unchanged. Pending or verified login and step-up challenges end too, and changes of
 * the e-mail address that wait for their confirmation. A forced end also revokes the API keys that
 * were issued in a session that ended by force. Every path locks staff first, then challenges,
 * sessions, tokens and API keys.
 * @returns the new session version
 * @throws AppError NOT_FOUND if the tenant has no such staff member; UNAUTHENTICATED if the session
 * to keep has ended
 */
export async function invalidateSessions(
  tx: Tx,
  ctx: RequestContext,
  mode: SessionMode,
  tenantId: string,
  what: Invalidation & {
    reason: AllSessionsReason;
    audited?: AuditedReason;
    /**
     * The id of a session that goes on under the new version, with its refresh token. Its access
     * tokens are refused too: issue another one, or let the client refresh.
     */
    keep?: string;
    /** API keys of theirs that were issued since then end too, if the reason is a forced end. */
    since?: Date | null;
  },
): Promise<number> {
  const sessionVersion = await bumpSessionVersion(tx, tenantId, what.staffId);
  if (sessionVersion === undefined) throw new AppError('NOT_FOUND');
  await endProofs(tx, tenantId, what);
  await endEmailChangesOf(tx, tenantId, what);
  const endedVersion = sessionVersion - 1;
  const { keep, staffId } = what;
  const kept = keep === undefined ? undefined : { staffId, sessionId: keep, sessionVersion };
  if (kept && !(await moveSession(tx, tenantId, kept))) throw invalidToken();
  const sessionsRevoked =
    mode === 'normal' ? await revokeAllSessions(tx, tenantId, what, endedVersion) : 0;
  if (kept) await moveTokens(tx, tenantId, kept);
  const tokensRevoked = await revokeAllTokens(tx, tenantId, what, keep);
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
  if (FORCED.includes(what.reason)) {
    await endKeysOfForcedEnd(tx, ctx, mode, tenantId, { staffId, since: what.since ?? null });
  }
  return sessionVersion;
}
