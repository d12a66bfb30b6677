import { endResetsIfShutOut, invalidateSessions, withSessionTable } from '../auth';
import type { RequestContext } from '../context';
import type { TenantDeps } from './deps';
import { listUnended, lockTenant } from './lifecycleStore';
import type { TenantState } from './lifecycleStore';
import { inTenant } from '../db/tenantScope';

/** How many members one transaction processes. Other administrations of the tenant wait for it. */
const PAGE = 50;

/** Returns since when nobody can sign in to a tenant; undefined if it is active. */
export const closedSince = ({
  status,
  suspendedAt,
  deletedAt,
  createdAt,
}: TenantState): Date | undefined =>
  // A status that was set in the database itself has no time.
  status === 'active' ? undefined : (suspendedAt ?? deletedAt ?? createdAt);

/** Ends the access of one page of members in one transaction. */
const endPage = (
  deps: Pick<TenantDeps, 'db' | 'schemaGuard' | 'clock'>,
  ctx: RequestContext,
  tenantId: string,
  after: string | undefined,
): Promise<string[]> =>
  withSessionTable(deps, (mode) =>
    inTenant(deps.db, tenantId, async (tx) => {
      const tenant = await lockTenant(tx, tenantId);
      const closedAt = tenant && closedSince(tenant);
      if (!closedAt) return [];
      const staffIds = await listUnended(tx, tenantId, { closedAt, after, limit: PAGE });
      const audited = tenant.status === 'deleted' ? 'tenant_deleted' : 'tenant_suspended';
      const why = { reason: 'manual', audited, now: deps.clock.now() } as const;
      for (const staffId of staffIds) {
        await invalidateSessions(tx, ctx, mode, tenantId, { staffId, ...why });
        await endResetsIfShutOut(tx, { tenantId, staffId });
      }
      return staffIds;
    }),
  );

/**
 * Ends the access of every member of a tenant that was suspended or deleted: one transaction for
 * each 50 members, with one event for each member. It raises everybody's session version, so that
 * no login that began before the tenant closed can outlive it, and ends the open links for a new
 * password of those who may sign in nowhere else. If it fails half-way, call it again: it ends the
 * access of those who are left.
 * @returns how many members' access was ended; 0 if nobody was left, or the tenant is active
 */
export async function endTenantAccess(
  deps: Pick<TenantDeps, 'db' | 'schemaGuard' | 'clock' | 'riskFacts'>,
  ctx: RequestContext,
  tenantId: string,
): Promise<number> {
  let ended = 0;
  let page: string[] = [];
  do {
    page = await endPage(deps, ctx, tenantId, page.at(-1));
    for (const staffId of page) deps.riskFacts.forget(tenantId, staffId);
    ended += page.length;
  } while (page.length === PAGE);
  return ended;
}
