import { withSessionTable } from '../auth';
import { createTurns } from '../backgroundTurns';
import type { Turns } from '../backgroundTurns';
import { systemContext } from '../context';
import { inTenant } from '../db/tenantScope';
import { SECOND_MS } from '../durations';
import { lockMembers } from './administrationStore';
import type { TenantDeps } from './deps';
import { listEndedMembers } from './endedMemberStore';
import { lockTenant } from './lifecycleStore';
import { endForGood } from './removeStaff';
import type { StaffIds } from './staffAct';
import { lockStaffMember } from './tenantStore';

export type EndMembershipDeps = Pick<
  TenantDeps,
  'db' | 'clock' | 'random' | 'schemaGuard' | 'logger' | 'metrics' | 'riskFacts'
>;

/** @returns whether this call removed the member */
async function removeEnded(deps: EndMembershipDeps, who: StaffIds): Promise<boolean> {
  const { tenantId, staffId } = who;
  const ctx = systemContext(deps.random.id());
  return withSessionTable(deps, (mode) =>
    inTenant(deps.db, tenantId, async (tx) => {
      await lockTenant(tx, tenantId);
      await lockMembers(tx, tenantId, [staffId]);
      const staff = await lockStaffMember(tx, tenantId, staffId);
      if (!staff?.ended || staff.status === 'removed') return false;
      await endForGood(deps, ctx, who, { via: 'expiry' }, { tx, mode, staff });
      return true;
    }),
  );
}

/**
 * Removes the members whose membership has reached its end. Their requests are refused already;
 * this ends everything that the removal of a member ends, and records it. Any number of nodes may
 * do it at the same time; each end is recorded once. One member who cannot be removed does not
 * keep the others.
 * @returns how many this call has removed
 * @throws the first error, after all were tried
 */
export async function endMemberships(deps: EndMembershipDeps): Promise<number> {
  let ended = 0;
  const failures: unknown[] = [];
  for (const who of await listEndedMembers(deps.db)) {
    try {
      if (!(await removeEnded(deps, who))) continue;
      ended += 1;
      deps.riskFacts.forget(who.tenantId, who.staffId);
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return ended;
}

/** Looks each second for memberships that have ended, once it is started. */
export const watchMemberships = (deps: EndMembershipDeps): Turns =>
  createTurns(
    {
      task: 'end_memberships',
      everyMs: SECOND_MS,
      metrics: deps.metrics,
      logFailure: (line) => deps.logger.warn(line, 'members whose time is over were not removed'),
    },
    async () => void (await endMemberships(deps)),
  );
