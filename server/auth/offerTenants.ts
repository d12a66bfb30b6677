import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { AuthDeps } from './deps';
import { AppError } from '../errors';
import type { Membership } from './accountStore';

/**
 * Answers with the tenants to choose from. The answer confirms the password and names the tenants,
 * so each of them gets an audit event.
 * @throws AppError TENANT_SELECTION_REQUIRED
 */
export async function offerTenants(
  deps: Pick<AuthDeps, 'db'>,
  ctx: RequestContext,
  offered: readonly Membership[],
): Promise<never> {
  await deps.db.transaction(async (tx) => {
    for (const { tenantId, staffId } of offered) {
      await recordAudit(tx, ctx, {
        action: 'LOGIN_TENANTS_OFFERED',
        outcome: 'success',
        tenantId,
        actor: staffId,
        subject: `staff:${staffId}`,
        details: {},
      });
    }
  });
  const tenants = offered.map(({ tenantId, slug, name }) => ({ id: tenantId, slug, name }));
  throw new AppError('TENANT_SELECTION_REQUIRED', { extra: { tenants } });
}
