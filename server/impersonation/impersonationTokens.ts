import { findOver } from '../auth';
import type { Principal } from '../context';
import { inTenant } from '../db/tenantScope';
import { AppError } from '../errors';
import type { ImpersonationDeps } from './deps';
import { findRunningOf, readPerson } from './runningStore';
import type { Impersonated } from './runningStore';
import type { StartedImpersonation } from './startImpersonation';

/** Signs an access token for an impersonation: it ends with it at the latest. */
export function issueToken(
  { accessTokens }: Pick<ImpersonationDeps, 'accessTokens'>,
  row: Impersonated,
): { accessToken: string; tokenType: 'Bearer'; expiresIn: number } {
  const token = accessTokens.issue({
    userId: row.userId,
    tenantId: row.tenantId,
    sid: row.id,
    sessionVersion: row.sessionVersion,
    degraded: false,
    act: { sub: row.actorUserId, staff_id: row.actorStaffId, sid: row.actorSessionId },
    endsAt: row.expiresAt,
  });
  return { ...token, tokenType: 'Bearer' };
}

const NONE_OF_SESSION =
  'No impersonation runs that began in this session. Stop the one of another session, or start one.';

/**
 * Returns the impersonation that this session of the actor has begun, for another access token. It
 * prolongs nothing.
 * @throws AppError NOT_FOUND if none runs
 */
export async function findOwnImpersonation(
  deps: Pick<ImpersonationDeps, 'db' | 'clock'>,
  { tenantId, staffId, sessionId }: Principal,
): Promise<StartedImpersonation> {
  return inTenant(deps.db, tenantId, async (tx) => {
    const none = () => new AppError('NOT_FOUND', { detail: NONE_OF_SESSION });
    const row = await findRunningOf(tx, tenantId, staffId);
    if (row?.actorSessionId !== sessionId) throw none();
    const over = await findOver(tx, tenantId, { id: row.id, now: deps.clock.now() });
    const subject = await readPerson(tx, tenantId, row.staffId);
    if (over !== null || !subject) throw none();
    return { row, subject };
  });
}
