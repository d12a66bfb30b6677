import { recordAudit } from '../audit';
import { invalidateSessions, listMemberships, withSessionTable } from '../auth';
import type { RequestContext } from '../context';
import type { Deps } from '../deps';
import { AppError } from '../errors';
import { queueNotice } from '../mail';
import type { NoticeDeps } from '../mail';
import type { StaffIds } from './changeStaffStatus';
import { replacePassword } from './store';

type SetDeps = NoticeDeps & Pick<Deps, 'db' | 'schemaGuard' | 'riskFacts'>;

/**
 * Gives the person behind a membership another password. One password opens every tenant of theirs: so their sessions
 * end in all of them, and with them what waits for a proof and each login that has checked the old password but has not
 * opened its session yet. An expired password is replaced by one that works; a proof that their next login owes stays due.
 * @param passwordHash of a password that {@link objectionToPassword} has nothing against
 * @returns how many memberships they have
 * @throws AppError NOT_FOUND if the tenant has no such staff member
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
      if (all.length === 0) throw new AppError('NOT_FOUND');
      for (const { tenantId, staffId } of all) {
        // The event first: what ended because of it must not look as if it had ended before.
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
