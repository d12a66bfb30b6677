import { recordAudit } from '../audit';
import type { Principal, RequestContext } from '../context';
import type { Tx } from '../db';
import { assertRowId } from '../db/ids';
import { inTenant } from '../db/tenantScope';
import { AppError } from '../errors';
import type { DomainDeps } from './deps';
import { listDomains, lockDomain, updateDomain } from './domainStore';
import { stateOf } from './judgeLook';

/** @returns whether there was such a domain */
async function remove(
  tx: Tx,
  ctx: RequestContext,
  { tenantId, id }: { tenantId: string; id: string },
  why: { via: 'api' } | { via: 'operator'; reason: 'tenant_deleted' },
): Promise<boolean> {
  const locked = await lockDomain(tx, tenantId, id);
  if (!locked) return false;
  const { row, now } = locked;
  await updateDomain(tx, tenantId, id, { removedAt: now, nextCheckAt: null });
  await recordAudit(tx, ctx, {
    action: 'DOMAIN_REMOVED',
    outcome: 'success',
    tenantId,
    subject: `domain:${id}`,
    details: { domain: row.domain, before: stateOf(row), ...why },
  });
  return true;
}

/**
 * Removes a domain of the caller's tenant. Another tenant can prove it from then on.
 * @throws AppError NOT_FOUND
 */
export async function removeDomain(
  { db }: Pick<DomainDeps, 'db'>,
  ctx: RequestContext,
  { tenantId }: Principal,
  id: string,
): Promise<void> {
  assertRowId(id);
  const removed = await inTenant(db, tenantId, (tx) =>
    remove(tx, ctx, { tenantId, id }, { via: 'api' }),
  );
  if (!removed) throw new AppError('NOT_FOUND');
}

/**
 * Removes all domains of a tenant that is deleted, so that others can prove them.
 * @returns how many there were
 */
export async function removeAllDomains(
  tx: Tx,
  ctx: RequestContext,
  tenantId: string,
): Promise<number> {
  const rows = await listDomains(tx, tenantId);
  const why = { via: 'operator', reason: 'tenant_deleted' } as const;
  for (const { id } of rows) await remove(tx, ctx, { tenantId, id }, why);
  return rows.length;
}
