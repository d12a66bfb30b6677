import type { Principal, RequestContext } from '../context';
import { inTenant } from '../db/tenantScope';
import { AppError } from '../errors';
import type { ImpersonationDeps } from './deps';
import { endImpersonation } from './endImpersonation';
import type { EndedImpersonation } from './endImpersonation';
import { findRunningOf } from './runningStore';

/**
 * Stops to act as somebody else, with the actor's own token or with that of the impersonation. The
 * actor's own session goes on: it was never replaced.
 * @throws AppError NOT_FOUND if no impersonation of the actor runs
 */
export async function stopImpersonation(
  deps: Pick<ImpersonationDeps, 'db' | 'clock' | 'mail' | 'keys' | 'random' | 'logger' | 'metrics'>,
  ctx: RequestContext,
  { tenantId, staffId, impersonation }: Principal,
): Promise<EndedImpersonation> {
  const ended = await inTenant(deps.db, tenantId, async (tx) => {
    const id = impersonation?.id ?? (await findRunningOf(tx, tenantId, staffId))?.id;
    return id === undefined
      ? undefined
      : endImpersonation(deps, tx, ctx, { tenantId, id }, { end: 'stopped' });
  });
  if (!ended) throw new AppError('NOT_FOUND', { detail: 'You act as nobody at the moment.' });
  deps.mail.wake();
  return ended;
}
