import { endSessionOf, listStaffSessions } from '../auth';
import type { RequestContext } from '../context';
import type { TenantDeps } from './deps';
import { AppError } from '../errors';
import { actOnMember } from './staffAct';
import type { StaffAct, StaffIds } from './staffAct';
import { findSessionVersion } from './staffListStore';

/**
 * Lists the live sessions of a member, newest first, one page at a time.
 * @throws AppError NOT_FOUND if the tenant has no such member; INVALID_INPUT for a cursor that the
 * server did not issue
 */
export async function listSessionsOf(
  deps: TenantDeps,
  { tenantId, staffId }: StaffIds,
  page: { cursor?: string | undefined; limit: number },
) {
  const sessionVersion = await findSessionVersion(deps.db, tenantId, staffId);
  if (sessionVersion === undefined) throw new AppError('NOT_FOUND');
  return listStaffSessions(deps, tenantId, { staffId, sessionVersion }, page);
}

/**
 * Ends one session of a member.
 * @throws AppError NOT_FOUND if they have no such session, or it has ended; what
 * {@link actOnMember} throws
 */
export async function endSessionOfMember(
  deps: TenantDeps,
  ctx: RequestContext,
  { sessionId, ...who }: StaffIds & { sessionId: string },
  how: StaffAct,
): Promise<void> {
  const { tenantId, staffId } = who;
  const rule = { needs: 'TENANT_STAFF_MANAGE', onSelf: true } as const;
  await actOnMember(deps, ctx, who, how, rule, ({ tx }) => {
    const query = { staffId, sessionId, reason: 'force_logout' as const, now: deps.clock.now() };
    return endSessionOf(tx, ctx, tenantId, query);
  });
  deps.riskFacts.forget(tenantId, staffId);
}
