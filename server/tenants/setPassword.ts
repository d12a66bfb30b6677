import { findPersonOf, lockMemberships, replacePassword, withSessionTable } from '../auth';
import type { RequestContext } from '../context';
import type { TenantDeps } from './deps';
import { AppError } from '../errors';
import { queueNotice } from '../mail';
import type { NoticeDeps } from '../mail';
import type { StaffIds } from './staffAct';

type SetDeps = NoticeDeps & Pick<TenantDeps, 'db' | 'schemaGuard' | 'riskFacts'>;

/**
 * Sets a new password for the person behind a membership. One password is valid in every tenant of
 * the person, so their sessions end in all of them, with pending proofs, open links for a new
 * password, and any login that has checked the old password but not yet opened its session. An
 * expired password is replaced by a valid one; a proof that the next login needs is still needed.
 * @param passwordHash the hash of a password that the policy has accepted
 * @returns how many memberships the person has
 * @throws AppError NOT_FOUND if the tenant has no such staff member, or they were removed
 */
export async function setPassword(
  deps: SetDeps,
  ctx: RequestContext,
  own: StaffIds,
  passwordHash: string,
  via: 'operator',
): Promise<number> {
  const memberships = await withSessionTable(deps, (mode) =>
    deps.db.transaction(async (tx) => {
      const userId = await findPersonOf(tx, own);
      if (userId === undefined) throw new AppError('NOT_FOUND');
      const all = await lockMemberships(tx, userId);
      await replacePassword(deps, tx, ctx, mode, {
        ...{ userId, passwordHash, memberships: all },
        event: { action: 'PASSWORD_SET', details: { via } },
        reason: 'force_logout',
      });
      await queueNotice(deps, tx, ctx, own, { kind: 'password_set' });
      return all;
    }),
  );
  deps.mail.wake();
  for (const { tenantId, staffId } of memberships) deps.riskFacts.forget(tenantId, staffId);
  return memberships.length;
}
