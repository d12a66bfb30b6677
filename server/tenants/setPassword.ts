import { recordAudit } from '../audit';
import { invalidateSessions, listMemberships, withSessionTable } from '../auth';
import type { RequestContext } from '../context';
import type { TenantDeps } from './deps';
import { AppError } from '../errors';
import { queueNotice } from '../mail';
import type { NoticeDeps } from '../mail';
import type { StaffIds } from './staffAct';
import { replacePassword } from './tenantStore';

type SetDeps = NoticeDeps & Pick<TenantDeps, 'db' | 'schemaGuard' | 'riskFacts'>;

/**
 * Sets a new password for the person behind a membership. One password is valid in every tenant of
 * the person, so their sessions end in all of them, with pending proofs and any login that has
 * checked the old password but not yet opened its session. An expired password is replaced by a
 * valid one; a proof that the next login owes stays due.
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
      const all = await listMemberships(tx, own, null);
      if (!all.some(({ staffId }) => staffId === own.staffId)) throw new AppError('NOT_FOUND');
      for (const { tenantId, staffId } of all) {
        // Record the event first, so that the ended sessions do not appear to have ended before it.
        await recordAudit(tx, ctx, {
          action: 'PASSWORD_SET',
          outcome: 'success',
          tenantId,
          subject: `staff:${staffId}`,
          details: { via },
        });
        const what = { staffId, reason: 'force_logout' as const, now: deps.clock.now() };
        await invalidateSessions(tx, ctx, mode, tenantId, what);
      }
      await replacePassword(tx, own, passwordHash);
      await queueNotice(deps, tx, ctx, own, { kind: 'password_set' });
      return all;
    }),
  );
  deps.mail.wake();
  for (const { tenantId, staffId } of memberships) deps.riskFacts.forget(tenantId, staffId);
  return memberships.length;
}
