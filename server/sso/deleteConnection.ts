import type { RequestContext } from '../context';
import { assertRowId } from '../db/ids';
import { endConnection } from '../ssoConnections';
import { administer } from '../tenants';
import type { Authority } from '../tenants';
import type { SsoDeps } from './deps';
import { findConnection } from './showConnections';

/**
 * Deletes a connection of a tenant, and erases its secrets.
 * @throws AppError NOT_FOUND; what `administer` throws
 */
export async function deleteConnection(
  deps: SsoDeps,
  ctx: RequestContext,
  authority: Authority,
  wanted: string,
): Promise<void> {
  assertRowId(wanted);
  await administer(deps, ctx, authority, 'SETTINGS_SECURITY_EDIT', async (tx, { tenantId }) => {
    const row = await findConnection(tx, tenantId, wanted);
    await endConnection(tx, ctx, { tenantId, row }, { via: authority.via });
  });
}
