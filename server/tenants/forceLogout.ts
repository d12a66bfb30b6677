import { endByForce } from '../auth';
import type { KnownCompromise } from '../auth';
import type { RequestContext } from '../context';
import type { TenantDeps } from './deps';
import { actOnMember } from './staffAct';
import type { StaffAct, StaffIds } from './staffAct';

/**
 * Signs a member out everywhere. Their next request is refused on every node, and a mail informs
 * them.
 * @param compromise given if someone else had a session: the risk history of that session is deleted,
 * and the next login needs a step-up proof
 * @returns whether their password was expired
 * @throws what {@link actOnMember} throws
 */
export async function forceLogoutMember(
  deps: TenantDeps,
  ctx: RequestContext,
  who: StaffIds,
  how: StaffAct,
  compromise?: KnownCompromise,
): Promise<{ passwordExpired: boolean }> {
  const rule = { needs: 'TENANT_STAFF_MANAGE', onSelf: true } as const;
  const { passwordExpired, staff } = await actOnMember(deps, ctx, who, how, rule, ({ tx, mode }) =>
    endByForce(deps, tx, ctx, mode, { ...who, compromise }),
  );
  deps.mail.wake();
  for (const one of staff) deps.riskFacts.forget(one.tenantId, one.staffId);
  return { passwordExpired };
}

/** Runs {@link forceLogoutMember} for an operator. */
export const forceLogout = (
  deps: TenantDeps,
  ctx: RequestContext,
  tenantId: string,
  staffId: string,
  compromise?: KnownCompromise,
): Promise<{ passwordExpired: boolean }> =>
  forceLogoutMember(deps, ctx, { tenantId, staffId }, { via: 'operator' }, compromise);
