import type { Principal } from '../context';
import type { TenantDeps } from './deps';
import { AppError } from '../errors';
import { closedSince } from './endTenantAccess';
import { countMembers, countUnended, readTenant } from './lifecycleStore';

type ShowDeps = Pick<TenantDeps, 'db'>;

/** A tenant as its members see it. */
export interface CurrentTenant {
  id: string;
  slug: string;
  name: string;
  status: 'active' | 'suspended' | 'deleted';
  createdAt: Date;
  /** Privileged permissions need a second administrator. */
  needsApproval: boolean;
  /** Only for those who may see the members. */
  members?: { active: number; disabled: number };
}

/**
 * Returns the caller's tenant. Only a caller with TENANT_STAFF_VIEW sees how many members it has.
 * @throws AppError NOT_FOUND if the tenant is gone
 */
export async function showCurrentTenant(
  { db }: ShowDeps,
  { tenantId, permissions }: Principal,
): Promise<CurrentTenant> {
  const seesMembers = permissions.includes('TENANT_STAFF_VIEW');
  const [tenant, members] = await Promise.all([
    readTenant(db, tenantId),
    seesMembers ? countMembers(db, tenantId) : undefined,
  ]);
  if (!tenant) throw new AppError('NOT_FOUND');
  const { slug, name, status, createdAt, needsApproval } = tenant;
  const shown = { id: tenantId, slug, name, status, createdAt, needsApproval };
  return members ? { ...shown, members } : shown;
}

/**
 * Returns a tenant for an operator. `accessLeft` is the number of members whose access still has to
 * end, if suspending or deleting the tenant was interrupted.
 * @throws AppError NOT_FOUND if there is no such tenant
 */
export async function showTenant({ db }: ShowDeps, { tenantId }: { tenantId: string }) {
  const tenant = await readTenant(db, tenantId);
  if (!tenant) throw new AppError('NOT_FOUND');
  const closedAt = closedSince(tenant);
  const [members, accessLeft] = await Promise.all([
    countMembers(db, tenantId),
    closedAt ? countUnended(db, tenantId, closedAt) : 0,
  ]);
  return { tenantId, ...tenant, members, accessLeft };
}
