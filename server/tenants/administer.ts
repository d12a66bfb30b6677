import type { Principal, RequestContext } from '../context';
import type { Tx } from '../db';
import type { TenantDeps } from './deps';
import type { Passage } from '../http/passage';
import type { BuiltInPermission } from '../permissions';
import { withProof } from '../security';
import { beginAdministration } from './administration';
import type { Administration } from './administration';

/** On whose authority a tenant is administered: a member's with a proof, or the operators'. */
export type Authority =
  | { readonly via: 'api'; readonly principal: Principal; readonly passage: Passage }
  | { readonly via: 'operator'; readonly tenantId: string };

/**
 * Runs an act of administration in one transaction, and consumes the member's proof in it. It locks
 * the tenant before the member's own row: another administrator who holds the tenant may wait for
 * that row.
 * @param needs the permission that a member must hold
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
): Promise<T> {
  if (authority.via === 'operator') {
    const { tenantId } = authority;
    return deps.db.transaction(async (tx) =>
      act(tx, await beginAdministration(tx, ctx, tenantId, needs)),
    );
  }
  const { principal, passage } = authority;
  let begun: Administration | undefined;
  return withProof(
    deps,
    ctx,
    principal,
    passage,
    (tx) => {
      if (!begun) throw new Error('an act of administration ran before the tenant was locked');
      return act(tx, begun);
    },
    async (tx) => {
      begun = await beginAdministration(tx, ctx, principal.tenantId, needs);
    },
  );
}
