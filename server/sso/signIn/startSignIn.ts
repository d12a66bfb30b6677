import type { RequestContext } from '../../context';
import { assertRowId } from '../../db/ids';
import { AppError } from '../../errors';
import type { SsoDeps } from '../deps';
import { beginAttempt } from './beginAttempt';
import type { BegunAttempt } from './beginAttempt';
import { findClient } from './clientStore';
import { findTenantOfConnection } from './connectionTenantStore';

/**
 * Begins a sign-in at a provider.
 * @throws AppError NOT_FOUND for a connection that is unknown or deleted, or whose tenant is not
 * active; TOO_MANY_SSO_ATTEMPTS; SSO_UNAVAILABLE
 */
export async function startSignIn(
  deps: SsoDeps,
  ctx: RequestContext,
  { connectionId, rememberMe }: { connectionId: string; rememberMe: boolean },
): Promise<BegunAttempt> {
  assertRowId(connectionId);
  const tenantId = await findTenantOfConnection(deps.db, connectionId);
  const client = tenantId && (await findClient(deps.db, tenantId, connectionId));
  if (!client) throw new AppError('NOT_FOUND');
  return beginAttempt(deps, ctx, client, { kind: 'login', person: null, rememberMe });
}
