import type { Principal, RequestContext } from '../context';
import type { Tx } from '../db';
import { inTenant } from '../db/tenantScope';
import type { TenantDeps } from './deps';
import type { Passage } from '../http/passage';
import type { BuiltInPermission } from '../permissions';
import { withProof } from '../security';
import { beginAdministration } from './administration';
import type { Administration } from './administration';
import { lockMembers } from './administrationStore';

/** The authority on which a tenant is administered: a member's, or the operators'. */
export type Authority =
  | {
      readonly via: 'api';
      readonly principal: Principal;
      /** How the request passed the step-up; absent if the route asks for none. */
      readonly passage?: Passage;
    }
  | { readonly via: 'operator'; readonly tenantId: string };

/** Runs the act in the transaction that consumes the proof. The tenant is locked first. */
function runProven<T>(
  deps: TenantDeps,
  ctx: RequestContext,
  principal: Principal,
  passage: Passage,
  begin: (tx: Tx) => Promise<Administration>,
  act: (tx: Tx, administration: Administration) => Promise<T>,
): Promise<T> {
  let begun: Administration | undefined;
  const run = (tx: Tx) => {
    if (!begun) throw new Error('an act of administration ran before the tenant was locked');
    return act(tx, begun);
  };
  return withProof(deps, ctx, principal, passage, run, async (tx) => {
    begun = await begin(tx);
  });
}

/**
 * Runs an act of administration in one transaction, and consumes the member's proof in it. It locks
 * the tenant before the member's own row: another administrator who holds the tenant may wait for
 * that row. After the commit it wakes the mailer.
 * @param needs the permission that a member must hold
 * @param staffIds the members whose rows the act changes; they are locked with the actor's row, in
 * the order of their ids
 * @returns the result of the act
 * @throws AppError STEP_UP_REQUIRED if another act used the proof; what `beginAdministration` and
 * the act throw
 */
export async function administer<T>(
  deps: TenantDeps,
  ctx: RequestContext,
  authority: Authority,
  needs: BuiltInPermission,
  act: (tx: Tx, administration: Administration) => Promise<T>,
  staffIds: readonly string[] = [],
): Promise<T> {
  const isMember = authority.via === 'api';
  const { tenantId } = isMember ? authority.principal : authority;
  const begin = async (tx: Tx) => {
    const administration = await beginAdministration(tx, ctx, tenantId, needs);
    const actors = isMember ? [authority.principal.staffId] : [];
    await lockMembers(tx, tenantId, [...actors, ...staffIds]);
    return administration;
  };
  const done =
    isMember && authority.passage
      ? await runProven(deps, ctx, authority.principal, authority.passage, begin, act)
      : await inTenant(deps.db, tenantId, async (tx) => act(tx, await begin(tx)));
  deps.mail.wake();
  return done;
}
