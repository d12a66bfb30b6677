import { endByForce, listLiveStaff, withSessionTable } from '../auth';
import type { RequestContext } from '../context';
import { administer } from './administer';
import { mayManage } from './administration';
import { lockMembers, readPermissions } from './administrationStore';
import type { TenantDeps } from './deps';
import { authorityOf } from './staffAct';
import type { StaffAct } from './staffAct';

/** How many members one transaction processes. Other administrations of the tenant wait for it. */
const PAGE = 50;

export interface ForcedLogouts {
  /** Members whose sessions were ended. */
  ended: number;
  /** Members who stay signed in, because they hold permissions that the actor does not hold. */
  skipped: number;
}

type Page = ForcedLogouts & { staffIds: string[]; next: string | undefined };

function withoutProof(how: StaffAct): StaffAct {
  if (how.via === 'operator') return how;
  const { via, principal, askedAt, reason } = how;
  return { via, principal, askedAt, reason };
}

/** Ends one page of members in one transaction. */
function endPage(
  deps: TenantDeps,
  ctx: RequestContext,
  tenantId: string,
  how: StaffAct,
  { after, spare }: { after: string | undefined; spare: string | undefined },
): Promise<Page> {
  return withSessionTable(deps, (mode) =>
    administer(
      deps,
      ctx,
      authorityOf(tenantId, how),
      'TENANT_STAFF_MANAGE',
      async (tx, administration) => {
        const cursor = after === undefined ? undefined : { tenantId, staffId: after };
        const query = {
          tenantId,
          until: undefined,
          after: cursor,
          limit: PAGE,
          proofs: true,
          mode,
        };
        const { live, next } = await listLiveStaff(tx, query);
        const found = live.map(({ staffId }) => staffId).filter((staffId) => staffId !== spare);
        await lockMembers(tx, tenantId, found);
        const members = await readPermissions(tx, tenantId, found);
        const managed = members.filter((member) => mayManage(administration, member));
        for (const { staffId } of managed)
          await endByForce(deps, tx, ctx, mode, { tenantId, staffId });
        const staffIds = managed.map(({ staffId }) => staffId);
        const skipped = found.length - staffIds.length;
        return { staffIds, ended: staffIds.length, skipped, next: next?.staffId };
      },
    ),
  );
}

/**
 * Signs out all members of a tenant who have a session, or a proof with which they could go on: one
 * transaction for each 50 members, with one event for each member. If it fails half-way, call it
 * again: it finds those who are left.
 * @param includesActor also ends the sessions of the member who acts
 * @throws AppError FORBIDDEN or UNAUTHENTICATED if the actor loses the permission meanwhile; what
 * `administer` throws
 */
export async function forceLogoutAll(
  deps: TenantDeps,
  ctx: RequestContext,
  tenantId: string,
  how: StaffAct,
  includesActor = false,
): Promise<ForcedLogouts> {
  const spare = how.via === 'api' && !includesActor ? how.principal.staffId : undefined;
  const total = { ended: 0, skipped: 0 };
  let after: string | undefined;
  let act = how;
  do {
    const page = await endPage(deps, ctx, tenantId, act, { after, spare });
    for (const staffId of page.staffIds) deps.riskFacts.forget(tenantId, staffId);
    deps.mail.wake();
    total.ended += page.ended;
    total.skipped += page.skipped;
    after = page.next;
    // The first transaction consumed the proof.
    act = withoutProof(how);
  } while (after !== undefined);
  return total;
}
