import type { RequestContext } from '../context';
import { assertRowId } from '../db/ids';
import { inTenant } from '../db/tenantScope';
import { AppError } from '../errors';
import type { ImpersonationDeps } from './deps';
import { endImpersonation } from './endImpersonation';
import type { EndedImpersonation } from './endImpersonation';
import { listRunningIn } from './runningStore';

/** Lists the impersonations of a tenant that have not ended, for an operator. */
export async function listRunning({ db }: Pick<ImpersonationDeps, 'db'>, tenantId: string) {
  const rows = await listRunningIn(db, tenantId);
  return rows.map(({ id, actorStaffId, staffId, scope, reason, ticket, startedAt, expiresAt }) => ({
    ...{ id, actor: actorStaffId, subject: staffId, scope, reason, ticket, startedAt, expiresAt },
  }));
}

/**
 * Ends an impersonation for an operator.
 * @throws AppError NOT_FOUND if the tenant has none with this id that has not ended
 */
export async function endByOperator(
  deps: ImpersonationDeps,
  ctx: RequestContext,
  which: { tenantId: string; id: string },
): Promise<EndedImpersonation> {
  assertRowId(which.id);
  const how = { end: 'operator' as const, by: ctx.actor };
  const ended = await inTenant(deps.db, which.tenantId, (tx) =>
    endImpersonation(deps, tx, ctx, which, how),
  );
  if (!ended) throw new AppError('NOT_FOUND');
  deps.mail.wake();
  return ended;
}
