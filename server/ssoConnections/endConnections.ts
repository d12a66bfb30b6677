import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import { eraseConnection, listConnectionRows } from './connectionStore';
import type { ConnectionRow } from './connectionStore';
import { describeConnection } from './describeConnection';

/** How a connection comes to be deleted. */
type Why = { via: 'api' | 'operator' } | { via: 'operator'; reason: 'tenant_deleted' };

/** Deletes a connection and erases its secrets. Call it under the tenant's lock. */
export async function endConnection(
  tx: Tx,
  ctx: RequestContext,
  { tenantId, row }: { tenantId: string; row: ConnectionRow },
  why: Why,
): Promise<void> {
  await eraseConnection(tx, tenantId, row.id);
  await recordAudit(tx, ctx, {
    action: 'SSO_CONNECTION_DELETED',
    outcome: 'success',
    tenantId,
    subject: `sso-connection:${row.id}`,
    details: { before: describeConnection(row), ...why },
  });
}

/**
 * Deletes all connections of a tenant that is deleted, so that none of its secrets stays in the
 * database.
 * @returns how many there were
 */
export async function endAllConnections(
  tx: Tx,
  ctx: RequestContext,
  tenantId: string,
): Promise<number> {
  const rows = await listConnectionRows(tx, tenantId);
  const why = { via: 'operator', reason: 'tenant_deleted' } as const;
  for (const row of rows) await endConnection(tx, ctx, { tenantId, row }, why);
  return rows.length;
}
