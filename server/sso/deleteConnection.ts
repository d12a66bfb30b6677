import { withSessionTable } from '../auth';
import type { RequestContext } from '../context';
import { assertRowId } from '../db/ids';
import { endConnection } from '../ssoConnections';
import { administer } from '../tenants';
import type { Authority } from '../tenants';
import type { SsoDeps } from './deps';
import { endSessionsThrough } from './endSessionsThrough';
import { findConnection } from './showConnections';

/**
 * Deletes a connection of a tenant, and erases its secrets. Members with a session that it has opened
 * are signed out everywhere, and so are those who still owe a proof after a sign-in through it. Links
 * stay: they belong to the issuer.
 * @throws AppError NOT_FOUND; what `administer` throws
 */
export async function deleteConnection(
  deps: SsoDeps,
  ctx: RequestContext,
  authority: Authority,
  wanted: string,
): Promise<void> {
  assertRowId(wanted);
  const needs = 'SETTINGS_SECURITY_EDIT';
  const { tenantId } = authority.via === 'api' ? authority.principal : authority;
  const ended = await withSessionTable(deps, (mode) =>
    administer(deps, ctx, authority, needs, async (tx) => {
      const row = await findConnection(tx, tenantId, wanted);
      await endConnection(tx, ctx, { tenantId, row }, { via: authority.via });
      return endSessionsThrough(deps, tx, ctx, mode, { tenantId, connectionId: row.id });
    }),
  );
  for (const staffId of ended) deps.riskFacts.forget(tenantId, staffId);
}
