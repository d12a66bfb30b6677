import { revokeKey } from '../../apiKeys';
import { recordAudit } from '../../audit';
import type { RequestContext } from '../../context';
import { assertRowId } from '../../db/ids';
import { AppError } from '../../errors';
import { administer } from '../administer';
import type { Authority } from '../administer';
import type { TenantDeps } from '../deps';
import { lockManagedKey } from './heldKey';

/**
 * Revokes a live key: its next request is refused on every node, also with the secret before its
 * last rotation.
 * @throws AppError NOT_FOUND; NOT_YOURS_TO_MANAGE; KEY_ENDED; what `administer` throws
 */
export async function revokeApiKey(
  deps: TenantDeps,
  ctx: RequestContext,
  authority: Authority,
  id: string,
): Promise<void> {
  assertRowId(id);
  const { via } = authority;
  await administer(deps, ctx, authority, 'API_KEYS_MANAGE', async (tx, administration) => {
    const { tenantId } = administration;
    const key = await lockManagedKey(tx, administration, id);
    if (!(await revokeKey(tx, tenantId, { id, actor: ctx.actor }))) {
      throw new AppError('KEY_ENDED');
    }
    await recordAudit(tx, ctx, {
      action: 'API_KEY_REVOKED',
      outcome: 'success',
      tenantId,
      subject: `api-key:${id}`,
      details: { reason: 'revoked', holder: key.staffId, via },
    });
  });
}
