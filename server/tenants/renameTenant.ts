import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { TenantDeps } from './deps';
import { administer } from './administer';
import type { Authority } from './administer';
import { tenantInput } from './createTenant';
import { readTenant, updateName } from './lifecycleStore';

/**
 * Renames a tenant. The slug stays, because people sign in with it and links contain it.
 * @param authority an operator's, or a member's who holds TENANT_ROLES_MANAGE
 * @returns the name before and after; if they are equal, nothing is changed or recorded
 * @throws ZodError; AppError NOT_FOUND if there is no such tenant, or it was deleted; what
 * {@link administer} throws
 */
export function renameTenant(
  deps: TenantDeps,
  ctx: RequestContext,
  { name }: { name: string },
  authority: Authority,
): Promise<{ before: string; after: string }> {
  const after = tenantInput.shape.name.parse(name);
  const { via } = authority;
  return administer(deps, ctx, authority, 'TENANT_ROLES_MANAGE', async (tx, { tenantId }) => {
    const before = (await readTenant(tx, tenantId))?.name ?? '';
    if (before === after) return { before, after };
    await updateName(tx, tenantId, after);
    await recordAudit(tx, ctx, {
      action: 'TENANT_RENAMED',
      outcome: 'success',
      tenantId,
      subject: `tenant:${tenantId}`,
      details: { before, after, via },
    });
    return { before, after };
  });
}
