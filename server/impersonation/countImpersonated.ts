import { invalidToken } from '../auth';
import type { RequestContext } from '../context';
import { countAct } from './actStore';
import type { Act } from './actStore';
import type { ImpersonationDeps } from './deps';

/**
 * Counts a request of an impersonation before it is handled, and records it if it is refused.
 * @throws AppError UNAUTHENTICATED if the impersonation has just ended
 */
export async function countImpersonated(
  deps: Pick<ImpersonationDeps, 'db' | 'denials'>,
  ctx: RequestContext,
  id: string,
  act: Act,
): Promise<void> {
  const { tenantId, onBehalfOf, actor } = ctx;
  if (tenantId === null || !onBehalfOf) throw invalidToken();
  if (!(await countAct(deps.db, tenantId, { id, ...act }))) throw invalidToken();
  if (!act.refused) return;
  await deps.denials.recordImpersonation(ctx, {
    ...{ tenantId, actor, onBehalfOf: onBehalfOf.staffId },
    subject: `impersonation:${id}`,
    refusal: 'route',
    route: act.route,
  });
}
