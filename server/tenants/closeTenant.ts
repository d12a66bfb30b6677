import { endKeysOfTenant } from '../apiKeys';
import { recordAudit } from '../audit';
import { isService } from '../context';
import type { RequestContext } from '../context';
import { removeAllDomains } from '../domains';
import { endAllConnections } from '../ssoConnections';
import { endAllLinks } from '../identities';
import type { TenantDeps } from './deps';
import { AppError } from '../errors';
import { closedSince, endTenantAccess } from './endTenantAccess';
import {
  endOpenRequests,
  listUnended,
  lockTenant,
  markDeleted,
  markRestored,
  markSuspended,
} from './lifecycleStore';
import { revokeAllInvitations } from './revokeInvitationsOf';
import { inTenant } from '../db/tenantScope';

type LifecycleDeps = Pick<TenantDeps, 'db' | 'schemaGuard' | 'clock' | 'riskFacts'>;

/** Only operators and their programs change the status of a tenant. */
const viaOf = ({ actor }: RequestContext) =>
  isService(actor) ? ('service' as const) : ('operator' as const);

/** The outcome of suspending, restoring or deleting a tenant. */
export interface TenantChange {
  /** False if the tenant had this status already; no event of the tenant was recorded then. */
  changed: boolean;
  /** Members whose access this call has ended. */
  membersEnded: number;
}

/**
 * Suspends a tenant. The status is set first: from then on every credential of every member is
 * refused on every node, and a sign-in is answered like that of an unknown account. Then the access
 * of all members ends for good, in short transactions. If that fails half-way, call it again.
 * @throws AppError NOT_FOUND if there is no such tenant; TENANT_DELETED
 */
export async function suspendTenant(
  deps: LifecycleDeps,
  ctx: RequestContext,
  { tenantId }: { tenantId: string },
): Promise<TenantChange> {
  const changed = await inTenant(deps.db, tenantId, async (tx) => {
    const tenant = await lockTenant(tx, tenantId);
    if (!tenant) throw new AppError('NOT_FOUND');
    if (tenant.status === 'deleted') throw new AppError('TENANT_DELETED');
    if (tenant.status === 'suspended') return false;
    await markSuspended(tx, tenantId);
    await recordAudit(tx, ctx, {
      action: 'TENANT_SUSPENDED',
      outcome: 'success',
      tenantId,
      subject: `tenant:${tenantId}`,
      details: { before: 'active', after: 'suspended', via: viaOf(ctx) },
    });
    return true;
  });
  return { changed, membersEnded: await endTenantAccess(deps, ctx, tenantId) };
}

/**
 * Deletes a tenant: closes it for good. It ends what a suspension ends, and the tenant's API keys,
 * open invitations, approval requests, changes of address, domains, links to identities, and
 * connections to identity providers, whose secrets are erased. All rows stay, and so does the slug. If ending the members'
 * access fails half-way, call it again.
 * @throws AppError NOT_FOUND if there is no such tenant
 */
export async function deleteTenant(
  deps: LifecycleDeps,
  ctx: RequestContext,
  { tenantId }: { tenantId: string },
): Promise<TenantChange> {
  const changed = await inTenant(deps.db, tenantId, async (tx) => {
    const tenant = await lockTenant(tx, tenantId);
    if (!tenant) throw new AppError('NOT_FOUND');
    if (tenant.status === 'deleted') return false;
    await markDeleted(tx, tenantId);
    const invitations = await revokeAllInvitations(tx, ctx, tenantId);
    const keys = await endKeysOfTenant(tx, ctx, tenantId);
    const domains = await removeAllDomains(tx, ctx, tenantId);
    const ssoConnections = await endAllConnections(tx, ctx, tenantId);
    const identities = await endAllLinks(tx, tenantId);
    const requests = await endOpenRequests(tx, tenantId);
    const keysAndDomains = { apiKeys: keys, domains, ssoConnections, identities };
    const ended = { invitations, ...requests, ...keysAndDomains };
    await recordAudit(tx, ctx, {
      action: 'TENANT_DELETED',
      outcome: 'success',
      tenantId,
      subject: `tenant:${tenantId}`,
      details: { before: tenant.status, after: 'deleted', ...ended, via: 'operator' },
    });
    return true;
  });
  return { changed, membersEnded: await endTenantAccess(deps, ctx, tenantId) };
}

/**
 * Restores a suspended tenant. Its members may sign in again, with the roles and factors that they
 * had. The sessions that the suspension ended stay ended: if it was interrupted, the access of the
 * members who were left ends first.
 * @throws AppError NOT_FOUND if there is no such tenant; TENANT_DELETED; CONFLICT if the tenant
 * changed at the same time
 */
export async function restoreTenant(
  deps: LifecycleDeps,
  ctx: RequestContext,
  { tenantId }: { tenantId: string },
): Promise<TenantChange> {
  const membersEnded = await endTenantAccess(deps, ctx, tenantId);
  const changed = await inTenant(deps.db, tenantId, async (tx) => {
    const tenant = await lockTenant(tx, tenantId);
    if (!tenant) throw new AppError('NOT_FOUND');
    if (tenant.status === 'deleted') throw new AppError('TENANT_DELETED');
    const suspendedAt = closedSince(tenant);
    if (!suspendedAt) return false;
    const query = { closedAt: suspendedAt, after: undefined, limit: 1 };
    // Somebody became a member, or another operator suspended the tenant again, in the meantime.
    if ((await listUnended(tx, tenantId, query)).length > 0) throw new AppError('CONFLICT');
    await markRestored(tx, tenantId);
    await recordAudit(tx, ctx, {
      action: 'TENANT_RESTORED',
      outcome: 'success',
      tenantId,
      subject: `tenant:${tenantId}`,
      details: {
        ...{ before: 'suspended', after: 'active', via: viaOf(ctx) },
        suspendedAt: suspendedAt.toISOString(),
      },
    });
    return true;
  });
  return { changed, membersEnded };
}
