import { recordAudit } from '../audit';
import type { Principal, RequestContext } from '../context';
import type { ProfileDeps } from './deps';
import { replaceName } from './nameStore';
import { inTenant } from '../db/tenantScope';

/**
 * Changes the name that a person has given themselves, in all tenants. The audit log says that it
 * changed, without the name, because the log cannot be edited. If the name is the same as before,
 * nothing is recorded.
 * @param name null removes it
 */
export async function changeName(
  deps: Pick<ProfileDeps, 'db'>,
  ctx: RequestContext,
  { tenantId, userId, staffId }: Principal,
  name: string | null,
): Promise<void> {
  await inTenant(deps.db, tenantId, async (tx) => {
    if (!(await replaceName(tx, userId, name))) return;
    await recordAudit(tx, ctx, {
      action: 'PROFILE_CHANGED',
      outcome: 'success',
      tenantId,
      subject: `staff:${staffId}`,
      details: { field: 'name', change: name === null ? 'removed' : 'set' },
    });
  });
}
