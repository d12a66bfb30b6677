import { withSessionTable } from '../auth';
import { createTurns } from '../backgroundTurns';
import type { Turns } from '../backgroundTurns';
import { systemContext } from '../context';
import { inTenant } from '../db/tenantScope';
import { SECOND_MS } from '../durations';
import { lockMembers } from './administrationStore';
import type { TenantDeps } from './deps';
import { listEndedMembers } from './endedMemberStore';
import type { EndedMember } from './endedMemberStore';
import { lockTenant } from './lifecycleStore';
import { endForGood } from './removeStaff';
import type { StaffIds } from './staffAct';
import { lockStaffMember } from './tenantStore';

export type EndMembershipDeps = Pick<
  TenantDeps,
  'db' | 'clock' | 'random' | 'schemaGuard' | 'logger' | 'metrics' | 'riskFacts'
>;

/** How many are read at once. */
const PAGE = 100;

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

/** Reads the members whose membership has ended, page by page, each of them once. */
async function* eachEnded({ db }: EndMembershipDeps): AsyncGenerator<EndedMember> {
  let after: EndedMember | undefined;
  for (;;) {
    const page = await listEndedMembers(db, { limit: PAGE, after });
    yield* page;
    after = page.at(-1);
    if (page.length < PAGE) return;
  }
}

/**
 * Removes the members whose membership has reached its end. Their requests are refused already;
 * this ends everything that the removal of a member ends, and records it. Any number of nodes may
 * do it at the same time; each end is recorded once. Members who cannot be removed, however many, do
 * not keep the others.
 * @param stopped says that the node stops; the rest is left to others then
 * @returns how many this call has removed
 * @throws the first error, after all were tried
 */
export async function endMemberships(
  deps: EndMembershipDeps,
  stopped: () => boolean = () => false,
): Promise<number> {
  let ended = 0;
  const failures: unknown[] = [];
  for await (const who of eachEnded(deps)) {
    if (stopped()) break;
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
    async ({ stopped }) => void (await endMemberships(deps, stopped)),
  );
